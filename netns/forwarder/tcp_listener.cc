#include "netns/forwarder/tcp_listener.h"

#include <cerrno>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "netns/forwarder/connection.h"

namespace pcompose::netns::forwarder {
namespace {

constexpr int kClientsAtOnce = 64;  // clients of one turn: others on the loop must have theirs

}  // namespace

bool TcpListener::accept_one() {
  SocketAddress client;
  Fd from(
      ::accept4(listener_.get(), client.fill(), client.fill_size(), SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!from) return errno == EINTR || errno == ECONNABORTED;
  int on = 1;
  // What was written in one piece goes on in one piece, and at once.
  ::setsockopt(from.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Fd to = connect_target(target_, SOCK_STREAM, client);
  if (!to) {
    reset(from);
    return true;
  }
  ::setsockopt(to.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Connection::start(loop_, pipes_, std::move(from), std::move(to));
  return true;
}

// Level-triggered: where the process is out of descriptors the clients wait in the queue.
void TcpListener::on_event(uint32_t) {
  for (int i = 0; i < kClientsAtOnce && accept_one(); ++i) continue;
}

}  // namespace pcompose::netns::forwarder
