#include "netns/forwarder/connection.h"

#include <cerrno>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace pcompose::netns::forwarder {
namespace {

// A pipe has room for as many pieces as it has pages; of a fast sender each is 32 KB.
constexpr size_t kChunk = 1U << 20U;
constexpr int kBurst = 16;  // chunks of one turn
constexpr uint32_t kEvents = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

}  // namespace

void reset(Fd& socket) {
  linger now{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  socket.reset();
}

void Connection::start(EventLoop& loop, PipePool& pipes, Fd client, Fd server) {
  auto made = std::make_shared<Connection>(loop, pipes, std::move(client), std::move(server));
  made->client_id_ = loop.watch(made->client_.get(), made, kEvents);
  made->server_id_ = loop.watch(made->server_.get(), made, kEvents);
}

// False while it is on its way; a refusal closes.
bool Connection::is_connected() {
  if (connected_) return true;
  pollfd state{server_.get(), POLLOUT, 0};
  if (::poll(&state, 1, 0) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(server_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  connected_ = error == 0;
  if (!connected_) close(false);
  return connected_;
}

Connection::Step Connection::fill(Flow& flow, int from) {
  if (flow.ended || flow.held > 0) return Step::has_more;
  if (!flow.pipe) flow.pipe = pipes_.take();
  if (!flow.pipe) return Step::failed;
  ssize_t n = ::splice(from, nullptr, flow.pipe.in.get(), nullptr, kChunk,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (n > 0) {
    flow.held = static_cast<size_t>(n);
    return Step::has_more;
  }
  if (n == 0) flow.ended = true;
  if (n < 0 && errno != EAGAIN && errno != EINTR) return Step::failed;
  pipes_.give_back(std::exchange(flow.pipe, {}));
  return n == 0 ? Step::has_more : Step::waits;
}

Connection::Step Connection::drain(Flow& flow, int to) {
  while (flow.held > 0) {
    ssize_t n = ::splice(flow.pipe.out.get(), nullptr, to, nullptr, flow.held,
                         SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? Step::waits : Step::failed;
    flow.held -= static_cast<size_t>(n);
  }
  if (flow.pipe) pipes_.give_back(std::exchange(flow.pipe, {}));
  return Step::has_more;
}

Connection::Step Connection::pump(Flow& flow, int from, int to) {
  for (int i = 0; i < kBurst; ++i) {
    if (flow.shut) return Step::waits;
    Step step = fill(flow, from);
    if (step == Step::has_more) step = drain(flow, to);
    if (step != Step::has_more) return step;
    if (flow.ended && !flow.shut) {
      ::shutdown(to, SHUT_WR);  // half-closed: the other direction goes on
      flow.shut = true;
    }
  }
  return Step::has_more;
}

void Connection::close(bool orderly) {
  loop_.unwatch(client_.get(), client_id_);
  loop_.unwatch(server_.get(), server_id_);
  if (orderly) {
    client_.reset();
    server_.reset();
  } else {
    reset(client_);
    reset(server_);
  }
}

void Connection::on_event(uint32_t) {
  if (!client_ || !is_connected()) return;
  Step up = pump(up_, client_.get(), server_.get());
  Step down = pump(down_, server_.get(), client_.get());
  if (up == Step::failed || down == Step::failed) return close(false);
  if (up_.shut && down_.shut) return close(true);
  if (up == Step::has_more || down == Step::has_more) loop_.again(client_id_);
}

}  // namespace pcompose::netns::forwarder
