// The system calls that the worker needs, as a seccomp filter.
#include <cerrno>
#include <memory>
#include <sched.h>
#include <sys/socket.h>

#include <fmt/format.h>
#include <seccomp.h>

#include "base/error.h"
#include "engine/images/confine.h"

namespace pcompose::engine {
namespace {

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};

constexpr std::initializer_list<const char*> kFiles = {
    "read",       "write",      "readv",     "writev",    "pread64",
    "pwrite64",   "preadv",     "pwritev",   "openat",    "openat2",
    "close",      "fstat",      "stat",      "lstat",     "newfstatat",
    "statx",      "statfs",     "fstatfs",   "lseek",     "ftruncate",
    "fallocate",  "fsync",      "fdatasync", "syncfs",    "sync_file_range",
    "fadvise64",  "mkdir",      "mkdirat",   "mknodat",   "rename",
    "renameat",   "renameat2",  "linkat",    "symlinkat", "link",
    "symlink",    "mknod",      "unlink",    "unlinkat",  "rmdir",
    "readlink",   "readlinkat", "fchmod",    "fchmodat",  "fchown",
    "fchownat",   "utimensat",  "fsetxattr", "fgetxattr", "flistxattr",
    "getdents64", "flock",      "fcntl",     "access",    "faccessat",
    "faccessat2", "umask",      "dup",       "dup2",      "dup3",
    "getcwd",     "open",       "pipe2",     "sendfile",  "copy_file_range",
    "splice"};

constexpr std::initializer_list<const char*> kProcess = {"mmap",
                                                         "munmap",
                                                         "mremap",
                                                         "mprotect",
                                                         "madvise",
                                                         "brk",
                                                         "membarrier",
                                                         "futex",
                                                         "futex_waitv",
                                                         "set_robust_list",
                                                         "get_robust_list",
                                                         "rseq",
                                                         "set_tid_address",
                                                         "sched_yield",
                                                         "sched_getaffinity",
                                                         "sched_getparam",
                                                         "sched_getscheduler",
                                                         "gettid",
                                                         "getpid",
                                                         "getppid",
                                                         "exit",
                                                         "exit_group",
                                                         "rt_sigaction",
                                                         "rt_sigprocmask",
                                                         "rt_sigreturn",
                                                         "sigaltstack",
                                                         "tgkill",
                                                         "restart_syscall",
                                                         "clock_gettime",
                                                         "clock_getres",
                                                         "clock_nanosleep",
                                                         "nanosleep",
                                                         "gettimeofday",
                                                         "time",
                                                         "getrandom",
                                                         "uname",
                                                         "getuid",
                                                         "geteuid",
                                                         "getgid",
                                                         "getegid",
                                                         "getrlimit",
                                                         "prlimit64",
                                                         "getrusage",
                                                         "sysinfo",
                                                         "times",
                                                         "arch_prctl",
                                                         "prctl",
                                                         "poll",
                                                         "ppoll",
                                                         "select",
                                                         "pselect6",
                                                         "epoll_create1",
                                                         "epoll_ctl",
                                                         "epoll_wait",
                                                         "epoll_pwait",
                                                         "epoll_pwait2",
                                                         "eventfd2",
                                                         "timerfd_create",
                                                         "timerfd_settime",
                                                         "timerfd_gettime"};

constexpr std::initializer_list<const char*> kNetwork = {
    "connect",    "bind",     "getsockname", "getpeername", "setsockopt",
    "getsockopt", "sendto",   "recvfrom",    "sendmsg",     "recvmsg",
    "sendmmsg",   "recvmmsg", "shutdown",    "socketpair",  "ioctl"};

// Nothing of ours calls them: who does is a stranger's code.
constexpr std::initializer_list<const char*> kNever = {"execve",
                                                       "execveat",
                                                       "fork",
                                                       "vfork",
                                                       "ptrace",
                                                       "process_vm_readv",
                                                       "process_vm_writev",
                                                       "mount",
                                                       "umount2",
                                                       "move_mount",
                                                       "fsopen",
                                                       "fsmount",
                                                       "open_tree",
                                                       "mount_setattr",
                                                       "pivot_root",
                                                       "chroot",
                                                       "unshare",
                                                       "setns",
                                                       "bpf",
                                                       "perf_event_open",
                                                       "userfaultfd",
                                                       "io_uring_setup",
                                                       "init_module",
                                                       "finit_module",
                                                       "kexec_load",
                                                       "kexec_file_load",
                                                       "add_key",
                                                       "request_key",
                                                       "keyctl",
                                                       "pidfd_getfd",
                                                       "open_by_handle_at",
                                                       "setuid",
                                                       "setresuid",
                                                       "setgid",
                                                       "setresgid",
                                                       "setgroups",
                                                       "capset",
                                                       "reboot",
                                                       "swapon",
                                                       "personality"};

void rule(void* context, uint32_t action, const char* call,
          std::initializer_list<scmp_arg_cmp> tests = {}) {
  int number = seccomp_syscall_resolve_name(call);
  if (number == __NR_SCMP_ERROR) return;  // unknown to this library: it is refused
  int error = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(tests.size()),
                                     tests.begin());
  // EDOM: the architecture does not have it.
  if (error != 0 && error != -EDOM) throw Error(fmt::format("seccomp rule for {}", call), -error);
}

void rules(void* context, uint32_t action, std::initializer_list<const char*> calls) {
  for (const char* call : calls) rule(context, action, call);
}

scmp_arg_cmp argument0(scmp_compare how, uint64_t a, uint64_t b = 0) { return {0, how, a, b}; }

// Threads, and no processes: clone3 hides its flags behind a pointer, and glibc does without it.
void add_threads(void* context) {
  rule(context, SCMP_ACT_ALLOW, "clone",
       {argument0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)});
  rule(context, SCMP_ACT_ERRNO(ENOSYS), "clone3");
}

// Registries and name servers; netlink and unix sockets are getaddrinfo(3)'s.
void add_network(void* context) {
  rules(context, SCMP_ACT_ALLOW, kNetwork);
  for (int family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK})
    rule(context, SCMP_ACT_ALLOW, "socket",
         {argument0(SCMP_CMP_EQ, static_cast<uint64_t>(family))});
}

}  // namespace

void allow_system_calls(Network network) {
  std::unique_ptr<void, Release> context(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!context) throw Error("seccomp does not start");
  rules(context.get(), SCMP_ACT_ALLOW, kFiles);
  rules(context.get(), SCMP_ACT_ALLOW, kProcess);
  add_threads(context.get());
  if (network == Network::connect) add_network(context.get());
  rules(context.get(), SCMP_ACT_KILL_PROCESS, kNever);
  if (int error = seccomp_load(context.get()); error != 0)
    throw Error("load the seccomp filter", -error);
}

}  // namespace pcompose::engine
