#include "tests/netns/fake_host.h"

#include <arpa/inet.h>
#include <array>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/connections.h"
#include "netns/link_messages.h"
#include "netns/socket_address.h"

namespace pcompose::netns {
namespace {

SocketAddress at(const std::string& address, uint16_t port) {
  return {Ip::parse(address).value(), port};
}

Fd connected(int type, const std::string& address, uint16_t port,
             std::chrono::milliseconds patience) {
  int family = Ip::parse(address).value().v6() != nullptr ? AF_INET6 : AF_INET;
  Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  timeval limit{patience.count() / 1000, patience.count() % 1000 * 1000};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  // close() leaves nothing behind that waits for an answer (socket(7)).
  linger at_once{1, 0};
  if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  SocketAddress to = at(address, port);
  if (::connect(fd.get(), to.get(), to.size()) != 0) return {};
  return fd;
}

std::string receive_text(const Fd& fd) {
  std::array<char, 512> buffer;
  ssize_t n = fd ? ::recv(fd.get(), buffer.data(), buffer.size(), 0) : -1;
  return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
}

}  // namespace

bool enter_fake_host() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return false;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (::mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0) return false;
  ifinfomsg lo{};
  lo.ifi_index = 1;
  lo.ifi_flags = lo.ifi_change = IFF_UP;
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, NLM_F_ACK, lo);
  return send_batch(open_netlink(NETLINK_ROUTE).get(), batch) == 0;
}

void in_namespace(int namespace_fd, const std::function<void()>& body) {
  std::thread([&] {
    if (namespace_fd >= 0 && ::setns(namespace_fd, CLONE_NEWNET) != 0) {
      throw Error::from_errno("enter a namespace");
    }
    body();
  }).join();
}

void add_default_route(int namespace_fd, const std::string& gateway) {
  in_namespace(namespace_fd, [&] {
    NetlinkBatch batch;
    put_default_route(batch, find_link(open_netlink(NETLINK_ROUTE).get(), "eth0"),
                      Ip::parse(gateway).value());
    int error = send_batch(open_netlink(NETLINK_ROUTE).get(), batch);
    if (error != 0) throw Error("add a default route", error);
  });
}

std::string tcp_ask(int namespace_fd, const std::string& address, uint16_t port,
                    std::chrono::milliseconds patience) {
  std::string out;
  in_namespace(namespace_fd,
               [&] { out = receive_text(connected(SOCK_STREAM, address, port, patience)); });
  return out;
}

std::string udp_ask(int namespace_fd, const std::string& address, uint16_t port,
                    const std::string& message, std::chrono::milliseconds patience) {
  std::string out;
  in_namespace(namespace_fd, [&] {
    Fd fd = connected(SOCK_DGRAM, address, port, patience);
    if (fd && ::send(fd.get(), message.data(), message.size(), 0) > 0) out = receive_text(fd);
  });
  return out;
}

struct EchoServer::State {
  Fd tcp;
  Fd udp;
  Fd space;  // none: the host
  Fd stop{::eventfd(0, EFD_CLOEXEC)};
  std::string name;
  std::thread thread;

  [[nodiscard]] std::string answer(const SocketAddress& peer) const {
    return name + " " + peer.ip().str();
  }
  void serve_tcp() const {
    SocketAddress peer;
    Fd client(::accept4(tcp.get(), peer.fill(), peer.fill_size(), SOCK_CLOEXEC));
    if (client) write_all(client.get(), answer(peer));
  }
  void serve_udp() const {
    SocketAddress peer;
    std::array<char, 512> buffer;
    if (::recvfrom(udp.get(), buffer.data(), buffer.size(), 0, peer.fill(), peer.fill_size()) < 0) {
      return;
    }
    std::string text = answer(peer);
    ::sendto(udp.get(), text.data(), text.size(), 0, peer.get(), peer.size());
  }
  void run() const {
    std::array<pollfd, 3> wait{
        {{tcp.get(), POLLIN, 0}, {udp.get(), POLLIN, 0}, {stop.get(), POLLIN, 0}}};
    while (::poll(wait.data(), wait.size(), -1) > 0 && wait[2].revents == 0) {
      if (wait[0].revents != 0) serve_tcp();
      if (wait[1].revents != 0) serve_udp();
    }
  }
};

void end_connections_in(int namespace_fd) {
  in_namespace(namespace_fd, [] { end_connections(); });
}

EchoServer::EchoServer(int namespace_fd, uint16_t port, std::string name)
    : state_(std::make_unique<State>()) {
  state_->name = std::move(name);
  if (namespace_fd >= 0) state_->space = Fd(::fcntl(namespace_fd, F_DUPFD_CLOEXEC, 0));
  in_namespace(namespace_fd, [&] {
    SocketAddress here = at("::", port);  // both families
    state_->tcp = Fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    state_->udp = Fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    for (int fd : {state_->tcp.get(), state_->udp.get()}) {
      if (::bind(fd, here.get(), here.size()) != 0) {
        throw Error::from_errno("bind the echo server");
      }
    }
    ::listen(state_->tcp.get(), 8);
  });
  state_->thread = std::thread([this] { state_->run(); });
}

EchoServer::~EchoServer() {
  uint64_t one = 1;
  if (::write(state_->stop.get(), &one, sizeof one) < 0) std::abort();
  state_->thread.join();
  state_->tcp.reset();
  if (state_->space) end_connections_in(state_->space.get());
}

}  // namespace pcompose::netns
