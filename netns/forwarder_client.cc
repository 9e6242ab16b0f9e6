#include "netns/forwarder_client.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/process.h"
#include "netns/forwarder/protocol.h"

namespace pcompose::netns {
namespace {

using forwarder::Message;
using forwarder::Type;

constexpr int kBacklog = 4096;
constexpr int kAnswerMs = 500;  // it takes some 50 us

Message message_of(Type type, const std::string& key) {
  Message out;
  out.type = type;
  if (key.size() >= sizeof out.key) throw Error("a key of the forwarder is too long: " + key);
  key.copy(out.key, sizeof out.key - 1);
  return out;
}

// False where nobody is at the other end.
bool send(int control, const Message& message, int fd) {
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  iovec part{const_cast<Message*>(&message), sizeof message};  // NOLINT: sendmsg only reads it
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = space;
    header.msg_controllen = sizeof space;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return ::sendmsg(control, &header, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof message);
}

void set_reuse(const Fd& socket, int on) {
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

// Sends what gives a port back, and waits until it has.
void send_and_wait(int control, const Message& message) {
  Message answer;
  // What an earlier supervisor died before reading.
  while (::recv(control, &answer, sizeof answer, MSG_DONTWAIT) > 0) continue;
  if (!send(control, message, -1)) return;
  pollfd answered{control, POLLIN, 0};
  if (::poll(&answered, 1, kAnswerMs) > 0) ::recv(control, &answer, sizeof answer, MSG_DONTWAIT);
}

void put_target(Message& message, const PortRow& row) {
  message.is_udp = row.protocol == Protocol::udp ? 1 : 0;
  message.target_port = row.target_port;
  if (const Ipv6* v6 = row.target.v6()) {
    message.is_ipv6 = 1;
    std::memcpy(message.target, v6->bytes.data(), v6->bytes.size());
    return;
  }
  uint32_t v4 = htonl(row.target.v4()->value);
  std::memcpy(message.target, &v4, sizeof v4);
}

}  // namespace

void ForwarderClient::start() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    throw Error::from_errno("socketpair");
  }
  control_ = Fd(pair[0]);
  Fd theirs(pair[1]);
  std::string program = program_.empty() ? own_program("pcompose-forwarder") : program_;
  SpawnOptions options{.argv = {program},
                       .environment = current_environment(),
                       .fds = {{theirs.get(), forwarder::kControlFd}, {2, 2}},
                       .session = Session::own,
                       .directory = "/"};
  if (home_) {
    options.argv.emplace_back("--enter");
    options.fds.emplace_back(home_.get(), forwarder::kHomeFd);
  }
  Child child = spawn(options);
  child.disown();  // it ends with the last holder of our end
  started_(control_.get());
}

bool ForwarderClient::revive() {
  if (!control_) return false;
  pollfd state{control_.get(), 0, 0};
  if (::poll(&state, 1, 0) <= 0 || (state.revents & (POLLHUP | POLLERR)) == 0) return false;
  start();
  for (const auto& [key, port] : ports_) send_add(key, port);
  return true;
}

void ForwarderClient::send_add(const std::string& key, const Port& port) {
  Message message = message_of(Type::add, key);
  put_target(message, port.row);
  message.keep_client = home_ ? 1 : 0;  // elsewhere nothing leads the answers back
  if (!send(control_.get(), message, port.socket.get())) {
    throw Error::from_errno("hand a port to the forwarder");
  }
}

void ForwarderClient::add(const std::string& key, const PortRow& row, const Fd& socket) {
  // Its connections inherit this, and only so what stays of them for a minute (TIME_WAIT) lets the
  // port be reserved again. While it listens nobody else can have the port anyway (socket(7)).
  if (row.protocol == Protocol::tcp) set_reuse(socket, 1);
  if (row.protocol == Protocol::tcp && ::listen(socket.get(), kBacklog) != 0) {
    throw Error::from_errno("listen on port " + std::to_string(row.port));
  }
  Port& port = ports_[key] = {row, socket.duplicate()};
  revive();
  if (!control_) start();
  send_add(key, port);
}

void ForwarderClient::remove(const std::string& key) {
  if (control_) send_and_wait(control_.get(), message_of(Type::remove, key));
  auto port = ports_.find(key);
  if (port == ports_.end()) return;
  set_reuse(port->second.socket, 0);  // reserved, as before
  ports_.erase(port);
}

void ForwarderClient::quit() {
  if (control_) send_and_wait(control_.get(), message_of(Type::quit, ""));
  control_.reset();
  ports_.clear();
}

}  // namespace pcompose::netns
