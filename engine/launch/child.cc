// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include "engine/launch/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/launch/child_ops.h"
#include "engine/launch/kernel_abi.h"
#include "engine/launch/rights.h"

namespace pcompose::launch {
namespace {

// Receives the start plan. In bss: costs nothing until pages of it are written.
alignas(16) uint8_t start_plan[256U << 10U];
int start_fds[kMaxPlanFds];

// A plan over the socket's limit comes as a sealed memfd, the last descriptor of the message.
const uint8_t* map_plan(int fd, uint32_t size) {
  void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  close(fd);
  return at == MAP_FAILED ? nullptr : static_cast<const uint8_t*>(at);
}

// The launcher ends and another program starts us: it connects and says go. One that connects and
// ends without a word changes nothing.
int park_for_connection(State& s, const Op& op, int index) {
  int error = report(s, Phase::parked, index, 0);
  if (error != 0) return error;
  close(s.channel);
  int listener = fd_of(s, op.fd);
  for (;;) {
    s.channel = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (s.channel < 0 && errno != EINTR && errno != ECONNABORTED) return errno;
    char go = 0;
    if (s.channel >= 0 && recv(s.channel, &go, 1, 0) == 1) break;
    if (s.channel >= 0) close(s.channel);
  }
  close(listener);
  return 0;
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
      return do_set_namespace(s, op);
    case OpCode::enter_root:
      return do_enter_root(s, op);
    case OpCode::new_namespace:
      return result(syscall(SYS_unshare, op.arg));
    case OpCode::private_mounts:
      return result(syscall(SYS_mount, nullptr, "/", nullptr, kMsRec | kMsPrivate, nullptr));
    case OpCode::propagation:
      return do_propagation(s, op);
    case OpCode::idmap:
      return do_idmap(s, op);
    case OpCode::overlay:
      return do_overlay(s, op);
    case OpCode::root_bind:
      return do_root_bind(s, op);
    case OpCode::root_tree:
      return do_root_tree(s, op);
    case OpCode::root_plain:
      return do_root_plain(s, op);
    case OpCode::mount_fs:
      return do_mount_fs(s, op);
    case OpCode::bind:
      return do_bind(s, op);
    case OpCode::mount_attributes:
      return do_mount_attributes(s, op);
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
      return do_pivot(s, op);
    case OpCode::loopback_up:
      return do_loopback_up();
    case OpCode::hostname:
      return result(sethostname(text(s, op.s1), strlen(text(s, op.s1))));
    case OpCode::domainname:
      return result(syscall(SYS_setdomainname, text(s, op.s1), strlen(text(s, op.s1))));
    case OpCode::root_read_only:
      return do_root_read_only();
    case OpCode::wait:
      if (int error = report(s, Phase::waiting, op.a, 0); error != 0) return error;
      await_go(s);
      return 0;
    case OpCode::map_ids:
      return do_map_ids();
    case OpCode::undumpable:
      return result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
    case OpCode::session:
      return setsid() < 0 && errno != EPERM ? errno : 0;
    case OpCode::keyring: {
      long serial = syscall(SYS_keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, nullptr, 0, 0, 0);
      return serial < 0 && errno != ENOSYS ? errno
                                           : 0;  // a kernel without keyrings has none to leak
    }
    case OpCode::stdio:
      return do_stdio(s, op);
    case OpCode::inherit:
      return result(fcntl(fd_of(s, op.fd), F_SETFD, 0));
    case OpCode::pty:
      return do_pty(s, op);
    case OpCode::own_stdio:
      return do_own_stdio(op);
    case OpCode::working_directory:
      return do_working_directory(s, op);
    case OpCode::find_program:
      return do_find_program(s, op);
    case OpCode::limit:
      return do_limit(op);
    case OpCode::self_file:
      return do_self_file(s, op);
    case OpCode::umask:
      umask(static_cast<mode_t>(op.a));
      return 0;
    case OpCode::scheduler:
      return do_scheduler(s, op);
    case OpCode::io_priority:
      return do_io_priority(op);
    case OpCode::affinity:
      return result(syscall(SYS_sched_setaffinity, 0, op.a, s.plan + op.s1));
    case OpCode::memory_policy:
      // It takes one bit less than it is told of.
      return result(syscall(SYS_set_mempolicy, op.a, op.b == 0 ? nullptr : s.plan + op.s1,
                            op.b == 0 ? 0 : op.b * 8 + 1));
    case OpCode::personality:
      return syscall(SYS_personality, op.arg) < 0 ? errno : 0;
    case OpCode::bounding:
      return do_bounding(op);
    case OpCode::user:
      return do_user(s, op);
    case OpCode::seccomp:
      return do_seccomp(s, op);
    case OpCode::capabilities:
      return do_capabilities(s, op);
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

// clone3(2) resets handlers but leaves what is ignored, as it is in the keeper; a program would
// inherit that, and a shell cannot take it back (POSIX, "trap").
void reset_signals() {
  // The kernel's own structure and call: C libraries keep 32 to 34 to themselves, and
  // posix_spawn(3) leaves them ignored.
  const uint64_t by_default[4] = {};  // SIG_DFL, no flags, no mask (sigaction(2))
  constexpr int kSignals = 64, kMaskBytes = 8;
  for (int number = 1; number <= kSignals; ++number)
    syscall(SYS_rt_sigaction, number, by_default, nullptr, kMaskBytes);
  const uint64_t none = 0;
  constexpr int kSetMask = 2;
  syscall(SYS_rt_sigprocmask, kSetMask, &none, nullptr, kMaskBytes);
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

namespace {

// The bytes that lie at s1, for operations that carry no text there.
uint64_t blob_bytes(const Op& op) {
  auto count = [](int32_t n) { return static_cast<uint64_t>(static_cast<uint32_t>(n)); };
  switch (op.code) {
    case OpCode::seccomp:
      return sizeof(sock_filter) * count(op.a);
    case OpCode::user:
      return sizeof(uint32_t) * count(op.c);
    case OpCode::affinity:
    case OpCode::scheduler:
      return count(op.a);
    case OpCode::capabilities:
      return sizeof(CapabilitySets);
    default:
      return 0;
  }
}

}  // namespace

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
    if (blob_bytes(op) > size - op.s1) return false;
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
  reset_signals();
  // Until exec this process is our program with our descriptors: nobody of the container may look
  // into it.
  // (A user namespace's maps are written first: `undumpable` follows.)
  if (header(s).stays_dumpable == 0) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(022);
  s.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
  uint32_t i = 0;
  for (;;) {
    if (i >= header(s).op_count) _exit(0);
    const Op& op = reinterpret_cast<const Op*>(s.plan + sizeof(PlanHeader))[i];
    int error = 0;
    if (op.code == OpCode::park && op.fd != kNoFd) {
      error = park_for_connection(s, op, static_cast<int>(i));
    } else if (op.code == OpCode::park) {
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
