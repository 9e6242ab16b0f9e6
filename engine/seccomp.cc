#include "engine/seccomp.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/capability.h>
#include <memory>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>
#include <seccomp.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"
#include "base/sha256.h"
#include "engine/seccomp_calls.h"

namespace pcompose::engine {
namespace {

constexpr int kRulesVersion = 1;  // raise with every change of the rules below

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

bool has(CapabilitySet set, int capability) {
  return (set >> static_cast<unsigned>(capability) & 1U) != 0;
}

void rule(void* context, uint32_t action, const char* call,
          std::initializer_list<scmp_arg_cmp> tests = {}) {
  int number = seccomp_syscall_resolve_name(call);
  if (number == __NR_SCMP_ERROR) return;  // unknown to this library: the default action refuses it
  int error = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(tests.size()),
                                     tests.begin());
  // EDOM: the call does not exist on one of the architectures (socketcall).
  if (error != 0 && error != -EDOM && error != -EEXIST)
    throw Error(fmt::format("seccomp rule for {}", call), -error);
}

// The library's own macros make C99 literals.
scmp_arg_cmp argument0(scmp_compare how, uint64_t a, uint64_t b = 0) { return {0, how, a, b}; }

void allow(void* context, std::initializer_list<const char*> calls) {
  for (const char* call : calls) rule(context, SCMP_ACT_ALLOW, call);
}

// A new user namespace gives its maker all capabilities inside: without CAP_SYS_ADMIN no
// namespaces.
void add_clone(void* context, CapabilitySet capabilities) {
  if (has(capabilities, CAP_SYS_ADMIN))
    return allow(context, {"clone", "clone3", "unshare", "setns"});
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                   CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  rule(context, SCMP_ACT_ALLOW, "clone", {argument0(SCMP_CMP_MASKED_EQ, kNamespaces, 0)});
  // clone3's flags lie in memory, where a filter cannot look. ENOSYS makes C libraries use clone.
  rule(context, SCMP_ACT_ERRNO(ENOSYS), "clone3");
}

void add_by_argument(void* context) {
  // PER_LINUX, UNAME26, PER_LINUX32, both, and "what is it": personality(2).
  for (uint64_t p : {0x0U, 0x0020000U, 0x0008U, 0x0020008U, 0xffffffffU}) {
    rule(context, SCMP_ACT_ALLOW, "personality", {argument0(SCMP_CMP_EQ, p)});
  }
  // vsock would reach the hypervisor's host past every network namespace.
  rule(context, SCMP_ACT_ALLOW, "socket", {argument0(SCMP_CMP_NE, AF_VSOCK)});
}

void add_by_capability(void* context, CapabilitySet set) {
  if (has(set, CAP_SYS_CHROOT)) allow(context, {"chroot"});
  if (has(set, CAP_DAC_READ_SEARCH)) allow(context, {"open_by_handle_at"});
  if (has(set, CAP_SYS_ADMIN)) {
    allow(context, {"bpf",         "fanotify_init",   "fsconfig", "fsmount",       "fsopen",
                    "fspick",      "lookup_dcookie",  "mount",    "mount_setattr", "move_mount",
                    "open_tree",   "perf_event_open", "quotactl", "quotactl_fd",   "setdomainname",
                    "sethostname", "syslog",          "umount",   "umount2",       "pivot_root",
                    "swapon",      "swapoff"});
  }
  if (has(set, CAP_SYS_BOOT)) allow(context, {"reboot"});
  if (has(set, CAP_SYS_MODULE)) allow(context, {"delete_module", "init_module", "finit_module"});
  if (has(set, CAP_SYS_PACCT)) allow(context, {"acct"});
  if (has(set, CAP_SYS_PTRACE)) allow(context, {"kcmp", "pidfd_getfd", "process_madvise"});
  if (has(set, CAP_SYS_RAWIO)) allow(context, {"iopl", "ioperm"});
  if (has(set, CAP_SYS_TIME))
    allow(context, {"settimeofday", "stime", "clock_settime", "clock_settime64"});
  if (has(set, CAP_SYS_TTY_CONFIG)) allow(context, {"vhangup"});
  if (has(set, CAP_SYS_NICE))
    allow(context, {"get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"});
  if (has(set, CAP_SYSLOG)) allow(context, {"syslog"});
}

std::string compile(CapabilitySet capabilities) {
  Context context(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!context) throw Error("seccomp_init", ENOMEM);
  void* c = context.get();
#if defined(__x86_64__)
  seccomp_arch_add(c, SCMP_ARCH_X86);
  seccomp_arch_add(c, SCMP_ARCH_X32);
#elif defined(__aarch64__)
  seccomp_arch_add(c, SCMP_ARCH_ARM);
#endif
  seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE,
                   2);  // a binary tree: longer, but loads in half the time
  for (const char* call : kAllowedCalls) rule(c, SCMP_ACT_ALLOW, call);
  add_clone(c, capabilities);
  add_by_argument(c);
  add_by_capability(c, capabilities);
  return export_seccomp_filter(c);
}

}  // namespace

std::string export_seccomp_filter(void* context) {
  // libseccomp writes to a descriptor only; a memfd never fills or blocks.
  Fd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) throw Error::from_errno("memfd_create");
  int error = seccomp_export_bpf(context, memory.get());
  if (error != 0) throw Error("compile the seccomp filter", -error);
  ::lseek(memory.get(), 0, SEEK_SET);
  return read_all(memory.get());
}

std::string default_seccomp_filter(const Capabilities& capabilities,
                                   const std::string& cache_directory) {
  utsname kernel{};
  ::uname(&kernel);
  const scmp_version* library = seccomp_version();
  std::string key = sha256_hex(fmt::format("{} {:x} {} {} {}.{}.{}", kRulesVersion,
                                           capabilities.bounding, kernel.machine, kernel.release,
                                           library->major, library->minor, library->micro));
  std::string path = cache_directory + "/seccomp-" + key.substr(0, 16) + ".bpf";
  if (::access(path.c_str(), R_OK) == 0) return read_file(path);
  std::string filter = compile(capabilities.bounding);
  make_directories(cache_directory);
  replace_file(path, filter, 0600);
  return filter;
}

}  // namespace pcompose::engine
