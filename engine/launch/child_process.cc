// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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

namespace {

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

namespace {

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

}  // namespace

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

}  // namespace

int do_exec(const State& s, const Op& op) {
  int used = 0;
  char** argv = split(s, op.s1, op.a, &used);
  if (argv == nullptr || op.a == 0) return E2BIG;
  char** environment = split(s, op.s2, op.b, &used);
  if (environment == nullptr) return E2BIG;
  return search_and_exec(argv, environment, text(s, op.s3));
}

}  // namespace pcompose::launch
