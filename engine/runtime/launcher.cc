#include "engine/runtime/launcher.h"

#include <cerrno>
#include <csignal>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/launch/child.h"
#include "engine/launch/kernel_abi.h"
#include "engine/launch/rights.h"

namespace pcompose::engine::runtime {
namespace {

constexpr uint64_t kCloneIntoCgroup = 0x200000000ULL;  // linux/sched.h

std::pair<Fd, Fd> channel_pair() {
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    throw Error::from_errno("socketpair");
  return {Fd(pair[0]), Fd(pair[1])};
}

}  // namespace

StepError step_error(const std::string& step, launch::OpCode code, int error) {
  bool program = code == launch::OpCode::exec || code == launch::OpCode::find_program;
  if (program && error == ENOENT) {
    // In the words that callers look for.
    return {step + ": executable file not found in $PATH", error, 127};
  }
  StepError failed(step, error, program ? launch::exit_code_of_exec(error) : 1);
  if (code == launch::OpCode::scheduler && error == EPERM)
    failed.hint(
        "it takes CAP_SYS_NICE, and in a cpu group of cgroup v1 a share of real time: "
        "linux.resources.cpu.realtimeRuntime");
  return failed;
}

Launch::Launch(const Plan& plan, int cgroup) : plan_(plan) {
  std::string bytes = plan.bytes();
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  auto size = static_cast<uint32_t>(bytes.size());
  auto fd_count = static_cast<int>(plan.fds().size());
  if (!launch::plan_is_sound(data, size, fd_count)) throw Error("the plan is not sound", EINVAL);
  auto [ours, theirs] = channel_pair();
  launch::ChildStart start;
  start.plan = data;
  start.fds = plan.fds().data();
  start.fd_count = fd_count;
  start.channel = theirs.get();
  int pidfd = -1;
  launch::CloneArguments arguments{};
  arguments.flags = plan.clone_flags() | launch::kClonePidfd | launch::kCloneClearSignalHandlers;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    arguments.flags |= kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(cgroup);
  }
  long pid = ::syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid == 0) launch::run_child(start);
  if (pid < 0) throw Error::from_errno(plan.describe(-1));
  child_.emplace(static_cast<pid_t>(pid), Pidfd(Fd(pidfd)));
  channel_ = std::move(ours);
}

bool receive_message(int channel, ChildMessage& message) {
  iovec iov{&message.report, sizeof message.report};
  launch::RightsBuffer<1> control;
  msghdr m{};
  m.msg_iov = &iov;
  m.msg_iovlen = 1;
  launch::expect_rights(m, control);
  ssize_t n = 0;
  do {
    n = ::recvmsg(channel, &m, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) throw Error::from_errno("read from the container's process");
  int fd = -1;
  if (launch::take_rights(m, &fd) == 1) message.fd = Fd(fd);
  return n == static_cast<ssize_t>(sizeof message.report);
}

void send_go(int channel) {
  if (::send(channel, "g", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
    throw Error::from_errno("talk to the container's process");
}

bool Launch::receive(const LaunchEvents& events, bool& done) {
  ChildMessage message;
  if (!receive_message(channel_.get(), message)) {
    done = true;
    return false;
  }
  const launch::Report& report = message.report;
  switch (report.phase) {
    case launch::Phase::parked:
      done = true;
      return true;
    case launch::Phase::failed:
      throw step_error(plan_.describe(report.op), plan_.code(report.op), report.error);
    case launch::Phase::sibling: {
      Pidfd pidfd = Pidfd::open(report.op);  // our child, not reaped: the pid is its own
      child_->wait();                        // the one that entered the namespaces ends by itself
      child_.emplace(report.op, std::move(pidfd));
      return false;
    }
    case launch::Phase::waiting:
      if (events.on_wait) events.on_wait(report.op, pid());
      send_go(channel_.get());
      return false;
    case launch::Phase::pty:
      if (events.on_terminal) events.on_terminal(std::move(message.fd));
      return false;
    case launch::Phase::listener:
      if (events.on_listener) events.on_listener(std::move(message.fd), pid());
      send_go(channel_.get());
      return false;
  }
  return false;
}

bool Launch::until_parked_or_running(const LaunchEvents& events) {
  bool done = false, parked = false;
  // Our end of the channel closes with the child's exec, or with the child.
  while (!done) parked = receive(events, done);
  return parked;
}

}  // namespace pcompose::engine::runtime
