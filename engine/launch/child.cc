// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include "engine/launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "engine/launch/kernel_abi.h"
#include "engine/launch/rights.h"

namespace pcompose::launch {
namespace {

// The interpreter's state: one container's, alone in its process.
struct State {
  const uint8_t* plan = nullptr;
  const int* fds = nullptr;
  int fd_count = 0;
  int channel = -1;
  int root = -1;  // O_PATH of the root being built; -1 once it is /
};

// Receives the start plan. In bss: costs nothing until pages of it are written.
alignas(16) uint8_t start_plan[256U << 10U];
int start_fds[kMaxPlanFds];

constexpr int kMaxStrings = 16384;
char* exec_strings[kMaxStrings];

const char* text(const State& s, uint32_t offset) {
  return offset == 0 ? "" : reinterpret_cast<const char*>(s.plan + offset);
}

int fd_of(const State& s, int32_t number) {
  return number >= 0 && number < s.fd_count ? s.fds[number] : -1;
}

int result(long r) { return r < 0 ? errno : 0; }

int report(const State& s, Phase phase, int op, int error) {
  Report r{phase, op, error};
  return result(send(s.channel, &r, sizeof r, MSG_NOSIGNAL));
}

int write_text(int fd, const char* value) {
  ssize_t n = write(fd, value, strlen(value));
  return n < 0 ? errno : 0;
}

int write_path(const char* path, const char* value) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = write_text(fd, value);
  close(fd);
  return error;
}

// ---- paths inside the new root: an image's links are followed, but never out of it
// -------------------

int open_inside(const State& s, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  int base = s.root >= 0 ? s.root : open("/", O_PATH | O_CLOEXEC);
  long fd = -1;
  do {
    fd = syscall(SYS_openat2, base, path, &how, sizeof how);
  } while (fd < 0 && errno == EAGAIN);
  if (s.root < 0) {
    int keep = errno;
    close(base);
    errno = keep;
  }
  return static_cast<int>(fd);
}

// Opens the directory that holds `path` and says where the last name begins; parents are made.
int open_parent(const State& s, const char* path, const char** last);

int make_directory(const State& s, const char* path) {
  int fd = open_inside(s, path, O_PATH | O_DIRECTORY);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (errno != ENOENT) return errno;
  const char* name = nullptr;
  int parent = open_parent(s, path, &name);
  if (parent < 0) return errno;
  int error = result(mkdirat(parent, name, 0755));
  close(parent);
  return error == EEXIST ? 0 : error;
}

int open_parent(const State& s, const char* path, const char** last) {
  char parent[4096];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') --length;
  size_t slash = length;
  while (slash > 0 && path[slash - 1] != '/') --slash;
  if (length >= sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(parent, path, slash);
  parent[slash] = 0;
  *last = path + slash;
  if (slash <= 1) return open_inside(s, "/", O_PATH | O_DIRECTORY);
  int error = make_directory(s, parent);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return open_inside(s, parent, O_PATH | O_DIRECTORY);
}

int make_file(const State& s, const char* path) {
  int fd = open_inside(s, path, O_PATH);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (errno != ENOENT) return errno;
  const char* name = nullptr;
  int parent = open_parent(s, path, &name);
  if (parent < 0) return errno;
  fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  close(parent);
  return error == EEXIST ? 0 : error;
}

int move_onto(int tree, int target) {
  return result(
      syscall(SYS_move_mount, tree, "", target, "", kMoveFromEmptyPath | kMoveToEmptyPath));
}

// ---- mounts
// -----------------------------------------------------------------------------------------

int take_root(State& s, const char* path) {
  s.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return s.root < 0 ? errno : 0;
}

int do_overlay(State& s, const Op& op) {
  // The layers' links are relative to this directory, so that 127 of them fit into mount(2)'s one
  // page.
  if (chdir(text(s, op.s1)) != 0) return errno;
  int error = result(syscall(SYS_mount, "overlay", text(s, op.s3), "overlay", 0, text(s, op.s2)));
  return error != 0 ? error : take_root(s, text(s, op.s3));
}

int do_root_bind(State& s, const Op& op) {
  // pivot_root(2) wants a mount point.
  const char* path = text(s, op.s1);
  int error = result(syscall(SYS_mount, path, path, nullptr, kMsBind | kMsRec, nullptr));
  return error != 0 ? error : take_root(s, path);
}

int do_mount_fs(const State& s, const Op& op) {
  int error = make_directory(s, text(s, op.s2));
  if (error != 0) return error;
  int target = open_inside(s, text(s, op.s2), O_PATH | O_DIRECTORY);
  if (target < 0) return errno;
  // By descriptor: between the walk and the mount nothing may turn the path into a link.
  char path[40] = "/proc/self/fd/";
  size_t at = strlen(path);
  char digits[12];
  int count = 0;
  for (int rest = target; rest > 0 || count == 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  while (count > 0) path[at++] = digits[--count];
  path[at] = 0;
  error = result(syscall(SYS_mount, text(s, op.s1), path, text(s, op.s1), op.arg, text(s, op.s3)));
  close(target);
  return error;
}

int attributes(int tree, uint64_t set, uint64_t propagation, bool recursive) {
  MountAttributes attr{};
  attr.set = set;
  attr.propagation = propagation;
  unsigned flags = kAtEmptyPath | (recursive ? kAtRecursive : 0U);
  return result(syscall(SYS_mount_setattr, tree, "", flags, &attr, sizeof attr));
}

int do_bind(const State& s, const Op& op) {
  int tree = fd_of(s, op.fd);
  bool recursive = (op.a & kBindRecursive) != 0;
  if (tree < 0) {
    unsigned flags = kOpenTreeClone | O_CLOEXEC | (recursive ? kAtRecursive : 0U);
    tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, text(s, op.s1), flags));
    if (tree < 0) return errno;
  }
  int error = 0;
  if ((op.a & kBindMakeFile) != 0) error = make_file(s, text(s, op.s2));
  if ((op.a & kBindMakeDirectory) != 0) error = make_directory(s, text(s, op.s2));
  if (error != 0) return error;
  int target = open_inside(s, text(s, op.s2), O_PATH);
  if (target < 0) return errno;
  auto propagation = static_cast<uint64_t>(static_cast<uint32_t>(op.b));
  if (op.arg != 0 || propagation != 0) error = attributes(tree, op.arg, propagation, recursive);
  if (error == 0) error = move_onto(tree, target);
  close(target);
  close(tree);
  return error;
}

int do_make_node(const State& s, const Op& op) {
  const char* name = nullptr;
  int parent = open_parent(s, text(s, op.s1), &name);
  if (parent < 0) return errno;
  auto mode = static_cast<mode_t>(op.a);
  int error = result(mknodat(parent, name, mode, op.arg));
  if (error == 0)
    error = result(fchmodat(parent, name, mode & 07777, 0));  // the umask is not the image's
  close(parent);
  return error;
}

int do_make_link(const State& s, const Op& op) {
  const char* name = nullptr;
  int parent = open_parent(s, text(s, op.s2), &name);
  if (parent < 0) return errno;
  int error = result(symlinkat(text(s, op.s1), parent, name));
  close(parent);
  return error == EEXIST ? 0 : error;
}

int mount_empty_tmpfs(int target) {
  int fs = static_cast<int>(syscall(SYS_fsopen, "tmpfs", 1U));
  if (fs < 0) return errno;
  int error = result(syscall(SYS_fsconfig, fs, kFsConfigSetFlag, "ro", nullptr, 0));
  if (error == 0) error = result(syscall(SYS_fsconfig, fs, kFsConfigCreate, nullptr, nullptr, 0));
  int tree = error == 0 ? static_cast<int>(syscall(SYS_fsmount, fs, 1U, kAttrReadOnly)) : -1;
  if (error == 0 && tree < 0) error = errno;
  if (error == 0) error = move_onto(tree, target);
  close(tree);
  close(fs);
  return error;
}

int do_mask(const State& s, const Op& op) {
  int target = open_inside(s, text(s, op.s1), O_PATH);
  if (target < 0) return errno == ENOENT ? 0 : errno;
  struct stat st{};
  int error = result(fstat(target, &st));
  if (error == 0 && S_ISDIR(st.st_mode)) {
    error = mount_empty_tmpfs(target);
  } else if (error == 0) {
    int null = open_inside(s, "/dev/null", O_PATH);
    int tree = static_cast<int>(
        syscall(SYS_open_tree, null, "", kOpenTreeClone | kAtEmptyPath | O_CLOEXEC));
    error = tree < 0 ? errno : move_onto(tree, target);
    close(tree);
    close(null);
  }
  close(target);
  return error;
}

int do_read_only(const State& s, const Op& op) {
  int target = open_inside(s, text(s, op.s1), O_PATH);
  if (target < 0) return errno == ENOENT ? 0 : errno;
  unsigned flags = kOpenTreeClone | kAtEmptyPath | kAtRecursive | O_CLOEXEC;
  int tree = static_cast<int>(syscall(SYS_open_tree, target, "", flags));
  int error = tree < 0 ? errno : attributes(tree, kAttrReadOnly, 0, true);
  if (error == 0) error = move_onto(tree, target);
  close(tree);
  close(target);
  return error;
}

int do_sysctl(const State& s, const Op& op) {
  char path[256] = "/proc/sys/";
  if (strlen(text(s, op.s1)) + strlen(path) >= sizeof path) return ENAMETOOLONG;
  strcat(path, text(s, op.s1));
  int fd = open_inside(s, path, O_WRONLY);
  if (fd < 0) return errno;
  int error = write_text(fd, text(s, op.s2));
  close(fd);
  return error;
}

int do_pivot(State& s) {
  // pivot_root(".", "."): the old root lands on top of the new one and is detached at once
  // (pivot_root(2)).
  if (fchdir(s.root) != 0) return errno;
  if (syscall(SYS_pivot_root, ".", ".") != 0) return errno;
  if (syscall(SYS_umount2, ".", kMntDetach) != 0) return errno;
  if (chdir("/") != 0) return errno;
  close(s.root);
  s.root = -1;
  return 0;
}

// setns(2) leaves us at the root of the mount namespace, which need not be the container's: where
// we were started in a chroot it is the host's.
int do_enter_root(const State& s, const Op& op) {
  if (fchdir(fd_of(s, op.fd)) != 0) return errno;
  return result(chroot("."));
}

int do_root_read_only() {
  int tree = open("/", O_PATH | O_CLOEXEC);
  if (tree < 0) return errno;
  int error = attributes(tree, kAttrReadOnly, 0, false);
  close(tree);
  return error;
}

// ---- the process
// ------------------------------------------------------------------------------------

int do_cgroup_join(const State& s, const Op& op) { return write_path(text(s, op.s1), "0"); }

int do_stdio(const State& s, const Op& op) {
  const int32_t number[3] = {op.a, op.b, op.c};
  for (int i = 0; i < 3; ++i) {
    int fd = fd_of(s, number[i]);
    int null = -1;
    if (fd < 0) fd = null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno;
    // Ours start at 3 (the keeper holds 0-2), so no source is ever overwritten here.
    int error = result(dup2(fd, i));
    if (null >= 0) close(null);
    if (error != 0) return error;
  }
  return 0;
}

int send_descriptor(const State& s, int fd) {
  Report r{Phase::pty, 0, 0};
  iovec iov{&r, sizeof r};
  RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  attach_rights(message, control, &fd, 1);
  return result(sendmsg(s.channel, &message, MSG_NOSIGNAL));
}

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
  for (int i = 0; error == 0 && i < 3; ++i) error = result(dup2(terminal, i));
  if (error == 0) error = send_descriptor(s, master);
  close(terminal);
  close(master);
  return error;
}

int do_working_directory(const State& s, const Op& op) {
  int error = make_directory(s, text(s, op.s1));
  return error != 0 ? error : result(chdir(text(s, op.s1)));
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

int set_capabilities(uint64_t permitted, uint64_t inheritable) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (unsigned i = 0; i < 2; ++i) {
    data[i].permitted = data[i].effective = static_cast<uint32_t>(permitted >> (32U * i));
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

int do_user(const State& s, const Op& op) {
  // Capabilities outlive the change of ids until `capabilities`: a filter without no_new_privs
  // needs one.
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;
  const auto* groups = reinterpret_cast<const gid_t*>(s.plan + op.s1);
  if (syscall(SYS_setgroups, static_cast<size_t>(op.c), op.c == 0 ? nullptr : groups) != 0)
    return errno;
  auto gid = static_cast<gid_t>(op.b);
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return errno;
  auto uid = static_cast<uid_t>(op.a);
  if (syscall(SYS_setresuid, uid, uid, uid) != 0) return errno;
  return set_capabilities(permitted_now(), 0);
}

int do_capabilities(const Op& op) {
  // What we never had (CAP_SYS_RESOURCE in some virtual machines) cannot be given on.
  uint64_t have = permitted_now();
  int error = set_capabilities(op.arg & have, op.arg2 & op.arg & have);
  for (unsigned long cap = 0; error == 0 && cap < 64; ++cap) {
    if ((op.arg2 & op.arg & have) >> cap & 1U)
      error = result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
  }
  return error;
}

int do_seccomp(const State& s, const Op& op) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(op.a);
  program.filter = const_cast<sock_filter*>(reinterpret_cast<const sock_filter*>(s.plan + op.s1));
  return result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

int do_fork_sibling(const State& s) {
  // CLONE_PARENT: the keeper becomes the parent and reaps it. With it the exit signal must be 0
  // (clone(2)).
  CloneArguments arguments{};
  arguments.flags = CLONE_PARENT;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return errno;
  if (pid == 0) return 0;
  report(s, Phase::sibling, static_cast<int>(pid), 0);
  _exit(0);
}

// ---- exec
// -------------------------------------------------------------------------------------------

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

// execve along PATH, as execvp(3) does: EACCES is remembered, the search goes on.
int search_and_exec(char** argv, char** environment, const char* path) {
  if (strchr(argv[0], '/') != nullptr) return result(execve(argv[0], argv, environment));
  int error = ENOENT;
  char file[4096];
  while (*path != 0) {
    const char* end = path;
    while (*end != 0 && *end != ':') ++end;
    auto length = static_cast<size_t>(end - path);
    if (length + strlen(argv[0]) + 2 < sizeof file) {
      memcpy(file, path, length);
      file[length] = '/';
      strcpy(file + length + 1, argv[0]);
      execve(file, argv, environment);
      if (errno == EACCES) error = EACCES;
      if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) return errno;
    }
    path = *end == 0 ? end : end + 1;
  }
  return error;
}

int do_exec(const State& s, const Op& op) {
  int used = 0;
  char** argv = split(s, op.s1, op.a, &used);
  if (argv == nullptr || op.a == 0) return E2BIG;
  char** environment = split(s, op.s2, op.b, &used);
  if (environment == nullptr) return E2BIG;
  return search_and_exec(argv, environment, text(s, op.s3));
}

// ---- parking
// ----------------------------------------------------------------------------------------

// A plan over the socket's limit comes as a sealed memfd, the last descriptor of the message.
const uint8_t* map_plan(int fd, uint32_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  return at == MAP_FAILED ? nullptr : static_cast<const uint8_t*>(at);
}

int do_park(State& s, int index) {
  int error = report(s, Phase::parked, index, 0);
  if (error != 0) return error;
  iovec iov{start_plan, sizeof start_plan};
  RightsBuffer<kMaxPlanFds> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  expect_rights(message, control);
  ssize_t n = recvmsg(s.channel, &message, MSG_CMSG_CLOEXEC);
  if (n <= 0) _exit(1);  // the keeper is gone: so are we, nobody asked for this container to run
  s.fd_count = take_rights(message, start_fds);
  s.fds = start_fds;
  s.plan = start_plan;
  auto size = static_cast<uint32_t>(n);
  if (n == sizeof(uint32_t) && s.fd_count > 0) {
    memcpy(&size, start_plan, sizeof size);
    s.plan = map_plan(start_fds[--s.fd_count], size);
    if (s.plan == nullptr) return ENOMEM;
  }
  return plan_is_sound(s.plan, size, s.fd_count) ? 0 : EINVAL;
}

int perform(State& s, const Op& op) {
  switch (op.code) {
    case OpCode::cgroup_join:
      return do_cgroup_join(s, op);
    case OpCode::set_namespace:
      return result(syscall(SYS_setns, fd_of(s, op.fd), op.arg));
    case OpCode::enter_root:
      return do_enter_root(s, op);
    case OpCode::new_namespace:
      return result(syscall(SYS_unshare, op.arg));
    case OpCode::private_mounts:
      return result(syscall(SYS_mount, nullptr, "/", nullptr, kMsRec | kMsPrivate, nullptr));
    case OpCode::overlay:
      return do_overlay(s, op);
    case OpCode::root_bind:
      return do_root_bind(s, op);
    case OpCode::mount_fs:
      return do_mount_fs(s, op);
    case OpCode::bind:
      return do_bind(s, op);
    case OpCode::make_node:
      return do_make_node(s, op);
    case OpCode::make_link:
      return do_make_link(s, op);
    case OpCode::mask:
      return do_mask(s, op);
    case OpCode::read_only:
      return do_read_only(s, op);
    case OpCode::sysctl:
      return do_sysctl(s, op);
    case OpCode::pivot:
      return do_pivot(s);
    case OpCode::hostname:
      return result(sethostname(text(s, op.s1), strlen(text(s, op.s1))));
    case OpCode::domainname:
      return result(syscall(SYS_setdomainname, text(s, op.s1), strlen(text(s, op.s1))));
    case OpCode::root_read_only:
      return do_root_read_only();
    case OpCode::session:
      return setsid() < 0 && errno != EPERM ? errno : 0;
    case OpCode::keyring: {
      long serial = syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, nullptr, 0, 0, 0);
      return serial < 0 && errno != ENOSYS ? errno
                                           : 0;  // a kernel without keyrings has none to leak
    }
    case OpCode::stdio:
      return do_stdio(s, op);
    case OpCode::pty:
      return do_pty(s, op);
    case OpCode::working_directory:
      return do_working_directory(s, op);
    case OpCode::limit:
      return do_limit(op);
    case OpCode::oom_score:
      return write_path("/proc/self/oom_score_adj", text(s, op.s1));
    case OpCode::umask:
      umask(static_cast<mode_t>(op.a));
      return 0;
    case OpCode::bounding:
      return do_bounding(op);
    case OpCode::user:
      return do_user(s, op);
    case OpCode::seccomp:
      return do_seccomp(s, op);
    case OpCode::capabilities:
      return do_capabilities(op);
    case OpCode::no_new_privs:
      return result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    case OpCode::fork_sibling:
      return do_fork_sibling(s);
    case OpCode::exec:
      return do_exec(s, op);
    case OpCode::none:
    case OpCode::park:
      break;  // the interpreter's own
  }
  return ENOSYS;
}

// Closes everything but the plan's descriptors and the channel. A sibling's channel left open here
// would hide the keeper's death from that sibling: close-on-exec does nothing before exec.
void close_others(const ChildStart& start) {
  unsigned from = 3;
  for (;;) {
    // The smallest descriptor to keep that is not below `from`; lists are short, so no sorting.
    unsigned next = ~0U;
    auto consider = [&](int fd) {
      auto u = static_cast<unsigned>(fd);
      if (fd >= 0 && u >= from && u < next) next = u;
    };
    consider(start.channel);
    for (int i = 0; i < start.fd_count; ++i) consider(start.fds[i]);
    if (next > from) syscall(SYS_close_range, from, next - 1, 0);
    if (next == ~0U) return;
    from = next + 1;
  }
}

const PlanHeader& header(const State& s) { return *reinterpret_cast<const PlanHeader*>(s.plan); }

}  // namespace

int exit_code_of_exec(int error) { return error == ENOENT || error == ENOTDIR ? 127 : 126; }

bool plan_is_sound(const uint8_t* plan, uint32_t size, int fd_count) {
  PlanHeader head;
  if (size < sizeof head) return false;
  memcpy(&head, plan, sizeof head);
  if (head.magic != kPlanMagic || head.size != size || size > kMaxPlanBytes) return false;
  if (head.op_count > (size - sizeof head) / sizeof(Op)) return false;
  if (plan[size - 1] != 0) return false;  // every string ends inside
  const auto* ops = reinterpret_cast<const Op*>(plan + sizeof head);
  for (uint32_t i = 0; i < head.op_count; ++i) {
    const Op& op = ops[i];
    if (op.s1 >= size || op.s2 >= size || op.s3 >= size || op.fd >= fd_count) return false;
    uint64_t blob = 0;
    if (op.code == OpCode::seccomp) blob = sizeof(sock_filter);
    if (op.code == OpCode::user) blob = sizeof(uint32_t);
    auto count =
        static_cast<uint64_t>(static_cast<uint32_t>(op.code == OpCode::user ? op.c : op.a));
    if (blob != 0 && (count > size || op.s1 + blob * count > size)) return false;
  }
  return true;
}

void run_child(const ChildStart& start) {
  State s;
  s.plan = start.plan;
  s.fds = start.fds;
  s.fd_count = start.fd_count;
  s.channel = start.channel;
  close_others(start);
  // Until exec this process is our program with our descriptors: nobody of the container may look
  // into it.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(022);
  uint32_t i = 0;
  for (;;) {
    if (i >= header(s).op_count) _exit(0);
    const Op& op = reinterpret_cast<const Op*>(s.plan + sizeof(PlanHeader))[i];
    int error = 0;
    if (op.code == OpCode::park) {
      error = do_park(s, static_cast<int>(i));
      if (error == 0) {
        i = 0;
        continue;
      }
    } else {
      error = perform(s, op);
    }
    if (error != 0) {
      report(s, Phase::failed, static_cast<int>(i), error);
      _exit(op.code == OpCode::exec ? exit_code_of_exec(error) : 127);
    }
    ++i;
  }
}

}  // namespace pcompose::launch
