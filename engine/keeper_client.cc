#include "engine/keeper_client.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/launch/rights.h"

namespace pcompose::engine {

using keeper::Message;
using keeper::Type;

struct KeeperClient::Pending {
  explicit Pending(asio::any_io_executor executor) : done(std::move(executor)) {}
  Event done;
  bool failed = false;
  bool keeper_died = false;
  int op = 0;
  int error = 0;
  Launched result;
};

KeeperDied::KeeperDied() : Error("the keeper died during a launch") {
  hint("run the command again");
}

KeeperClient::KeeperClient(asio::any_io_executor executor, Fd socket)
    : executor_(std::move(executor)),
      socket_(std::move(socket)),
      readable_(executor_, socket_.duplicate().release()) {}

KeeperClient::~KeeperClient() { fail_all(); }

namespace {

void wait_for(int fd, short events) {
  pollfd p{fd, events, 0};
  ::poll(&p, 1, 5000);
}

}  // namespace

// The keeper, too, waits for as long as its socket to us is full: with many launches at once each
// would wait for the other, and it would take us for stuck.
void KeeperClient::take_in() {
  Message m;
  for (Fd fd; receive(m, fd, MSG_DONTWAIT); fd.reset()) inbox_.emplace_back(m, std::move(fd));
  readable_.cancel();  // run() looks again
}

void KeeperClient::send(Message message, const std::string& payload, const std::vector<int>& fds) {
  iovec parts[2] = {{&message, sizeof message},
                    {const_cast<char*>(payload.data()), payload.size()}};
  launch::RightsBuffer<launch::kMaxPlanFds + 1> control;
  msghdr m{};
  m.msg_iov = parts;
  m.msg_iovlen = payload.empty() ? 1 : 2;
  attach_rights(m, control, fds.data(), static_cast<int>(fds.size()));
  // The keeper's loop takes a message in microseconds; a full socket is a matter of that long.
  while (::sendmsg(socket_.get(), &m, MSG_NOSIGNAL) < 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN) {
      wait_for(socket_.get(), POLLOUT | POLLIN);
      take_in();
      continue;
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == EBADF)
      return;  // run() notices and fails who waits
    throw Error::from_errno("send to the keeper");
  }
}

namespace {

Message message_of(Type type, const std::string& name) {
  Message m;
  m.type = type;
  if (name.size() >= sizeof m.name)
    throw Error("a process name of the keeper is too long: " + name);
  std::memcpy(m.name, name.data(), name.size());
  return m;
}

Fd sealed_memory(const std::string& bytes) {
  Fd memory(::memfd_create("plan", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) throw Error::from_errno("memfd_create");
  write_all(memory.get(), bytes);
  ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
  return memory;
}

}  // namespace

void KeeperClient::send_plan(Type type, const std::string& name, const Plan& plan) {
  Message m = message_of(type, name);
  std::string bytes = plan.bytes();
  if (bytes.size() > launch::kMaxPlanBytes)
    throw Error("arguments and environment are too long", E2BIG);
  std::vector<int> fds = plan.fds();
  if (fds.size() > launch::kMaxPlanFds) throw Error("too many descriptors in a launch", EMFILE);
  if (bytes.size() <= keeper::kMaxInline) return send(m, bytes, fds);
  Fd memory = sealed_memory(bytes);
  fds.push_back(memory.get());
  m.a = 1;
  send(m, "", fds);
}

Task<Launched> KeeperClient::await_outcome(const std::string& name, const Plan& plan) {
  auto pending = pending_.at(name);
  // A launch takes a millisecond; one that nobody waits for would leave a child that nobody knows.
  co_await wait_shielded(pending->done);
  if (pending->keeper_died) throw KeeperDied();  // and this object is gone, or soon will be
  pending_.erase(name);
  if (pending->failed) {
    throw LaunchError(plan.describe(pending->op), pending->error, plan.code(pending->op));
  }
  auto terminal = terminals_.find(name);
  if (terminal != terminals_.end()) {
    pending->result.terminal = std::move(terminal->second);
    terminals_.erase(terminal);
  }
  co_return std::move(pending->result);
}

Task<Launched> KeeperClient::launch(std::string name, const Plan& plan) {
  pending_[name] = std::make_shared<Pending>(executor_);
  send_plan(Type::launch, name, plan);
  co_return co_await await_outcome(name, plan);
}

Task<Launched> KeeperClient::start(std::string name, const Plan& plan) {
  pending_[name] = std::make_shared<Pending>(executor_);
  send_plan(Type::start, name, plan);
  co_return co_await await_outcome(name, plan);
}

Task<Launched> KeeperClient::exec(std::string name, const Plan& plan) {
  return launch(std::move(name), plan);
}

void KeeperClient::store(const std::string& name, int fd) {
  send(message_of(Type::store, name), "", {fd});
}
void KeeperClient::drop(const std::string& name) { send(message_of(Type::drop, name), "", {}); }
void KeeperClient::forget(const std::string& name) { send(message_of(Type::forget, name), "", {}); }
void KeeperClient::quit() { send(message_of(Type::quit, ""), "", {}); }

void KeeperClient::upgrade() { send(message_of(Type::upgrade, ""), "", {}); }

void KeeperClient::adopt(const std::string& name, pid_t pid, uint64_t start_time, int pidfd) {
  Message m = message_of(Type::adopt, name);
  m.a = pid;
  m.c = start_time;
  send(m, "", {pidfd});
}

void KeeperClient::announce_supervisor(pid_t pid, int pidfd) {
  Message m = message_of(Type::supervisor, "");
  m.a = pid;
  send(m, "", {pidfd});
}

bool KeeperClient::receive(Message& message, Fd& fd, int flags) {
  for (;;) {
    iovec iov{&message, sizeof message};
    launch::RightsBuffer<1> control;
    msghdr m{};
    m.msg_iov = &iov;
    m.msg_iovlen = 1;
    expect_rights(m, control);
    ssize_t n = ::recvmsg(socket_.get(), &m, flags | MSG_CMSG_CLOEXEC);
    // A keeper that died with messages of ours unread is told of once, before its own last ones.
    if (n < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    int raw = -1;
    if (n > 0 && launch::take_rights(m, &raw) == 1) fd = Fd(raw);
    if (n == sizeof message) return true;
    if (n == 0) errno = ECONNRESET;
    return false;
  }
}

KeeperInventory KeeperClient::list() {
  send(message_of(Type::list, ""), "", {});
  KeeperInventory inventory;
  for (;;) {
    Message m;
    Fd fd;
    wait_for(socket_.get(), POLLIN);
    if (!receive(m, fd, 0)) throw Error::from_errno("ask the keeper what it holds");
    if (m.type == Type::end) return inventory;
    if (m.type == Type::entry_descriptor) inventory.descriptors.push_back({m.name, std::move(fd)});
    if (m.type != Type::entry_process) continue;
    KeptProcess p;
    p.name = m.name;
    p.pid = m.a;
    p.state = static_cast<keeper::State>(m.c & 0xffU);
    if ((m.c >> 8U & 1U) != 0) p.status = ExitStatus(m.b);
    p.pidfd = std::move(fd);
    p.start_time = process_start_time(p.pid).value_or(0);
    inventory.processes.push_back(std::move(p));
  }
}

void KeeperClient::dispatch(const Message& m, Fd fd) {
  if (m.type == Type::exited) {
    std::optional<ExitStatus> status;
    if (m.c == 1) status = ExitStatus(m.b);
    if (on_exit) on_exit(m.name, status);
    return;
  }
  if (m.type == Type::terminal) {
    terminals_[m.name] = std::move(fd);
    return;
  }
  auto it = pending_.find(m.name);
  if (it == pending_.end()) return;  // whoever asked was cancelled
  Pending& p = *it->second;
  if (m.type == Type::failed) {
    p.failed = true;
    p.op = m.a;
    p.error = m.b;
  } else if (m.type == Type::parked || m.type == Type::started) {
    p.result.pid = m.a;
    p.result.pidfd = std::move(fd);
  } else {
    return;
  }
  p.done.set();
}

void KeeperClient::fail_all() {
  for (auto& [name, pending] : pending_) {
    pending->keeper_died = true;
    pending->done.set();
  }
}

Task<> KeeperClient::run() {
  for (;;) {
    while (!inbox_.empty()) {
      auto [m, fd] = std::move(inbox_.front());
      inbox_.pop_front();
      dispatch(m, std::move(fd));
    }
    Message m;
    Fd fd;
    if (receive(m, fd, MSG_DONTWAIT)) {
      dispatch(m, std::move(fd));
      continue;
    }
    if (errno != EAGAIN && errno != EWOULDBLOCK) break;
    co_await readable_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::as_tuple(asio::use_awaitable));
  }
  fail_all();
}

}  // namespace pcompose::engine
