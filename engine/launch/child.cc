// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include "engine/launch/child.h"

#include <errno.h>
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
