// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "engine/launch/child_ops.h"
#include "engine/launch/kernel_abi.h"
#include "engine/launch/rights.h"

namespace pcompose::launch {

int report(const State& s, Phase phase, int op, int error) {
  Report r{phase, op, error};
  return result(send(s.channel, &r, sizeof r, MSG_NOSIGNAL));
}

int write_path(const char* path, const char* value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = write_text(fd, value);
  close(fd);
  return error;
}

int do_cgroup_join(const State& s, const Op& op) { return write_path(text(s, op.s1), "0"); }

int do_set_namespace(State& s, const Op& op) {
  if (op.a == kJoinSecondTry && (s.joined & op.arg) != 0) return 0;
  if (syscall(SYS_setns, fd_of(s, op.fd), op.arg) != 0)
    return op.a == kJoinFirstTry && errno == EPERM ? 0 : errno;
  s.joined |= op.arg;
  return 0;
}

int do_map_ids() {
  // Denied where an ordinary user mapped only itself (user_namespaces(7)); the groups it has stay.
  if (syscall(SYS_setgroups, 0, nullptr) != 0 && errno != EPERM) return errno;
  if (syscall(SYS_setresgid, 0, 0, 0) != 0) return errno;
  return result(syscall(SYS_setresuid, 0, 0, 0));
}

// Beneath the host's /proc, whatever the container mounted on its own, and nothing mounted upon it:
// a write meant for a label or a limit must not end in another file.
int do_self_file(const State& s, const Op& op) {
  char path[128] = "self/";
  if (strlen(text(s, op.s1)) + strlen(path) >= sizeof path) return ENAMETOOLONG;
  strcat(path, text(s, op.s1));
  int fd = open_proc(s, path, O_WRONLY);
  if (fd < 0) return errno;
  int error = write_text(fd, text(s, op.s2));
  close(fd);
  return error;
}

int do_scheduler(const State& s, const Op& op) {
  return result(syscall(SYS_sched_setattr, 0, s.plan + op.s1, 0));
}

int do_io_priority(const Op& op) {
  return result(syscall(SYS_ioprio_set, 1 /* IOPRIO_WHO_PROCESS */, 0, op.a));
}

namespace {

// A volume may have anything there, a link to a file that the container's user may not open, say.
int open_null(const State& s) {
  int fd = open_inside(s, "/dev/null", O_RDWR | O_NOFOLLOW);
  struct stat st{};
  bool real = fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
  if (real || fd < 0) return fd;
  close(fd);
  errno = ENODEV;
  return -1;
}

}  // namespace

int do_stdio(const State& s, const Op& op) {
  const int32_t number[3] = {op.a, op.b, op.c};
  for (int i = 0; i < 3; ++i) {
    int fd = fd_of(s, number[i]);
    int null = -1;
    if (fd < 0) fd = null = open_null(s);
    if (fd < 0) return errno;
    // Ours start at 3 (the keeper holds 0-2), so no source is ever overwritten here.
    int error = result(dup2(fd, i));
    if (null >= 0) close(null);
    if (error != 0) return error;
  }
  return 0;
}

int send_descriptor(const State& s, Phase phase, int fd) {
  Report r{phase, 0, 0};
  iovec iov{&r, sizeof r};
  RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  attach_rights(message, control, &fd, 1);
  return result(sendmsg(s.channel, &message, MSG_NOSIGNAL));
}

void await_go(const State& s) {
  char go = 0;
  ssize_t n = 0;
  do {
    n = recv(s.channel, &go, 1, 0);
  } while (n < 0 && errno == EINTR);
  if (n != 1) _exit(1);
}

namespace {

// By descriptor and never by path: what stands at /dev/console must be this terminal.
int bind_console(const State& s, int terminal) {
  int error = make_file(s, "/dev/console");
  if (error != 0) return error;
  int target = open_inside(s, "/dev/console", O_PATH | O_NOFOLLOW);
  if (target < 0) return errno;
  int tree = static_cast<int>(
      syscall(SYS_open_tree, terminal, "", kOpenTreeClone | kAtEmptyPath | O_CLOEXEC));
  error = tree < 0 ? errno : move_onto(tree, target);
  if (tree >= 0) close(tree);
  close(target);
  return error;
}

}  // namespace

int do_pty(const State& s, const Op& op) {
  int master = open_inside(s, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
  if (master < 0) return errno;
  int unlock = 0;
  if (ioctl(master, kTiocSetLock, &unlock) != 0) return errno;
  int terminal = static_cast<int>(ioctl(master, kTiocGetPeer, O_RDWR | O_NOCTTY));
  if (terminal < 0) return errno;
  winsize size{};
  size.ws_row = static_cast<unsigned short>(op.arg >> 16U);
  size.ws_col = static_cast<unsigned short>(op.arg & 0xffffU);
  if (op.arg != 0) ioctl(terminal, TIOCSWINSZ, &size);
  setsid();  // a leader already, where the session operation ran
  int error = result(ioctl(terminal, TIOCSCTTY, 0));
  if (error == 0 && (op.a & kPtyOwned) != 0)
    error = result(fchown(terminal, static_cast<uid_t>(op.b), static_cast<gid_t>(-1)));
  if (error == 0 && (op.a & kPtyConsole) != 0) error = bind_console(s, terminal);
  for (int i = 0; error == 0 && i < 3; ++i) error = result(dup2(terminal, i));
  if (error == 0) error = send_descriptor(s, Phase::pty, master);
  close(terminal);
  close(master);
  return error;
}

// netdevice(7).
int do_loopback_up() {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno == EAFNOSUPPORT ? 0 : errno;  // a kernel without IPv4
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  int error = result(ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
  return error;
}

int do_own_stdio(const Op& op) {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat st{};
    if (fstat(fd, &st) != 0) continue;  // closed
    // The null device is everybody's.
    if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) continue;
    auto uid = static_cast<uid_t>(op.a);
    auto gid = static_cast<gid_t>(op.b);
    if (st.st_uid == uid && st.st_gid == gid) continue;
    if (fchown(fd, uid, gid) != 0 && errno != EPERM && errno != EINVAL && errno != EROFS)
      return errno;
  }
  return 0;
}

int do_working_directory(const State& s, const Op& op) {
  int error = (op.a & kMustExist) != 0 ? 0 : make_directory(s, text(s, op.s1));
  if (error == 0) error = result(chdir(text(s, op.s1)));
  if (error != 0) return error;
  // A directory of the host, reached through a descriptor somebody forgot, has no path in here:
  // getcwd(2) says "(unreachable)".
  char path[4096];
  if (syscall(SYS_getcwd, path, sizeof path) < 0) return errno == ENAMETOOLONG ? 0 : errno;
  return path[0] == '/' ? 0 : EXDEV;
}

int do_limit(const Op& op) {
  rlimit want{op.arg, op.arg2};
  auto which = op.a;
  if (setrlimit(which, &want) == 0) return 0;
  if (errno != EPERM) return errno;
  // Without CAP_SYS_RESOURCE the hard limit cannot be raised: as much as may be had, as the shell
  // does.
  rlimit have{};
  if (getrlimit(which, &have) != 0) return errno;
  if (want.rlim_max > have.rlim_max) want.rlim_max = have.rlim_max;
  if (want.rlim_cur > want.rlim_max) want.rlim_cur = want.rlim_max;
  return result(setrlimit(which, &want));
}

int do_bounding(const Op& op) {
  for (unsigned long cap = 0; cap < 64; ++cap) {
    if ((op.arg >> cap & 1U) != 0) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
      return errno == EINVAL ? 0 : errno;  // past the last one
  }
  return 0;
}

namespace {

int set_capabilities(uint64_t permitted, uint64_t effective, uint64_t inheritable) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (unsigned i = 0; i < 2; ++i) {
    data[i].permitted = static_cast<uint32_t>(permitted >> (32U * i));
    data[i].effective = static_cast<uint32_t>(effective >> (32U * i));
    data[i].inheritable = static_cast<uint32_t>(inheritable >> (32U * i));
  }
  return result(syscall(SYS_capset, &header, data));
}

uint64_t permitted_now() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  syscall(SYS_capget, &header, data);
  return data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32U;
}

uint64_t bounding_now() {
  uint64_t set = 0;
  for (unsigned long cap = 0; cap < 64; ++cap) {
    int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
    if (there < 0) break;
    if (there > 0) set |= uint64_t{1} << cap;
  }
  return set;
}

}  // namespace

int do_user(const State& s, const Op& op) {
  // Capabilities outlive the change of ids until `capabilities`: a filter without no_new_privs
  // needs one.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;
  const auto* groups = reinterpret_cast<const gid_t*>(s.plan + op.s1);
  // An ordinary user's own user namespace denies setgroups(2), and has no groups to drop then.
  if (op.arg == 0 &&
      syscall(SYS_setgroups, static_cast<size_t>(op.c), op.c == 0 ? nullptr : groups) != 0 &&
      (errno != EPERM || op.c != 0))
    return errno;
  auto gid = static_cast<gid_t>(op.b);
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return errno;
  auto uid = static_cast<uid_t>(op.a);
  if (syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
  uint64_t all = permitted_now();
  return set_capabilities(all, all, 0);
}

int do_capabilities(const State& s, const Op& op) {
  CapabilitySets want;
  memcpy(&want, s.plan + op.s1, sizeof want);
  // What we never had (CAP_SYS_RESOURCE in some virtual machines) cannot be given on.
  want.permitted &= permitted_now();
  want.effective &= want.permitted;
  want.inheritable &= bounding_now();
  // Whoever becomes another user than root loses the ambient ones by that (capabilities(7)), so
  // they are raised after it.
  int error = set_capabilities(want.permitted, want.effective, want.inheritable);
  uint64_t ambient = want.ambient & want.permitted & want.inheritable;
  for (unsigned long cap = 0; error == 0 && cap < 64; ++cap) {
    if ((ambient >> cap & 1U) != 0)
      error = result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
  }
  return error;
}

int do_seccomp(const State& s, const Op& op) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(op.a);
  program.filter = const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(s.plan + op.s1));
  long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, op.b, &program);
  if (listener < 0) return errno;
  if ((op.c & kSeccompNotify) == 0) return 0;
  // From here on sendmsg, recvfrom and close may be what the filter asks about, which would wait
  // for itself: the launcher has refused such filters.
  int error = send_descriptor(s, Phase::listener, static_cast<int>(listener));
  close(static_cast<int>(listener));
  if (error == 0) await_go(s);
  return error;
}

int do_fork_sibling(const State& s) {
  // CLONE_PARENT: the keeper becomes the parent and reaps it. With it the exit signal must be 0
  // (clone(2)).
  CloneArguments arguments{};
  arguments.flags = CLONE_PARENT;
  // What it reports must not come before the word that it is there: it waits for our end.
  int order[2] = {-1, -1};
  if (pipe2(order, O_CLOEXEC) != 0) return errno;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return errno;
  if (pid == 0) {
    char nothing = 0;
    close(order[1]);
    while (read(order[0], &nothing, 1) < 0 && errno == EINTR) {
    }
    close(order[0]);
    return 0;
  }
  report(s, Phase::sibling, static_cast<int>(pid), 0);
  _exit(0);
}

namespace {

constexpr int kMaxStrings = 16384;
char* exec_strings[kMaxStrings];

char** split(const State& s, uint32_t offset, int count, int* used) {
  char** first = exec_strings + *used;
  if (count < 0 || count + *used + 1 >= kMaxStrings) return nullptr;
  char* at = const_cast<char*>(text(s, offset));
  for (int i = 0; i < count; ++i) {
    exec_strings[(*used)++] = at;
    at += strlen(at) + 1;
  }
  exec_strings[(*used)++] = nullptr;
  return first;
}

// Calls `use` with every file that `name` may mean along PATH, as execvp(3) does: EACCES is
// remembered, the search goes on. `use` returns an errno value.
template <class Use>
int search(const char* name, const char* path, Use use) {
  if (strchr(name, '/') != nullptr) return use(name);
  int error = ENOENT;
  char file[4096];
  while (*path != 0) {
    const char* end = path;
    while (*end != 0 && *end != ':') ++end;
    auto length = static_cast<size_t>(end - path);
    if (length + strlen(name) + 2 < sizeof file) {
      memcpy(file, path, length);
      file[length] = '/';
      strcpy(file + length + 1, name);
      int tried = use(file);
      if (tried == EACCES) error = EACCES;
      if (tried != EACCES && tried != ENOENT && tried != ENOTDIR) return tried;
    }
    path = *end == 0 ? end : end + 1;
  }
  return error;
}

}  // namespace

int do_find_program(const State& s, const Op& op) {
  return search(text(s, op.s1), text(s, op.s3), [](const char* file) {
    struct stat st{};
    if (stat(file, &st) != 0) return errno;
    return S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0 ? 0 : EACCES;
  });
}

int do_exec(const State& s, const Op& op) {
  int used = 0;
  if (op.a <= 0) return EINVAL;
  char** argv = split(s, op.s1, op.a + 1, &used);
  if (argv == nullptr) return E2BIG;
  const char* program = *argv++;
  char** environment = split(s, op.s2, op.b, &used);
  if (environment == nullptr) return E2BIG;
  prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);  // the program outlives the keeper
  return search(program, text(s, op.s3), [&](const char* file) {
    execve(file, argv, environment);
    return errno;
  });
}

}  // namespace pcompose::launch
