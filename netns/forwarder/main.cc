// pcompose-forwarder: splices the published ports that nftables cannot serve. It is apart from the
// supervisor so that connections outlive it, and lives in the network namespace of the bridges.
#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <linux/netlink.h>
#include <map>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/forwarder/protocol.h"
#include "netns/forwarder/tcp_listener.h"
#include "netns/forwarder/udp_relay.h"
#include "netns/marked_packets.h"

namespace pcompose::netns::forwarder {
namespace {

// What runs under one key.
struct Served {
  Target target;
  std::shared_ptr<Watcher> watcher;
  int fd = -1;
  uint64_t id = 0;
  std::shared_ptr<UdpRelay> relay;  // nothing for TCP
};

class Control final : public Watcher {
 public:
  Control(EventLoop& loop, PipePool& pipes) : loop_(loop), pipes_(pipes) {}

  // Answers to what is sent in a client's name come back to us; by family.
  struct Answers {
    bool v4 = false, v6 = false;
  };
  void find_answers() {
    Fd route = open_netlink(NETLINK_ROUTE);
    answers_ = {delivers_marked(route.get(), AF_INET, kClientsMark),
                delivers_marked(route.get(), AF_INET6, kClientsMark)};
  }

  void on_event(uint32_t) override {
    for (;;) {
      Message message;
      Fd listener;
      ssize_t n = receive(message, listener);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      // The last holder of the other end is gone, and with it the project.
      if (n <= 0) return loop_.stop();
      handle(message, static_cast<size_t>(n), std::move(listener));
      if (loop_.stopped()) return;
    }
  }
  void drop_idle() {
    for (auto& [key, served] : served_) {
      if (served.relay) served.relay->drop_idle();
    }
  }

 private:
  static ssize_t receive(Message& message, Fd& listener) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec part{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t n = ::recvmsg(kControlFd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    cmsghdr* c = n > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
    if (c != nullptr && c->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
      listener = Fd(fd);
    }
    return n;
  }

  void handle(const Message& message, size_t size, Fd listener) {
    if (size != sizeof message || message.version != kVersion) return;
    std::string key(message.key, ::strnlen(message.key, sizeof message.key));
    if (message.type == Type::remove || message.type == Type::quit) {
      if (message.type == Type::quit) {
        while (!served_.empty()) remove(served_.begin()->first);
        loop_.stop();
      }
      remove(key);
      ::send(kControlFd, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
      return;
    }
    if (message.type == Type::add && listener) add(key, message, std::move(listener));
  }

  [[nodiscard]] Target target_of(const Message& message) const {
    Target out;
    if (message.is_ipv6 != 0) {
      Ipv6 address;
      std::memcpy(address.bytes.data(), message.target, address.bytes.size());
      out.address = address;
    } else {
      uint32_t address = 0;
      std::memcpy(&address, message.target, sizeof address);
      out.address = Ipv4{ntohl(address)};
    }
    out.port = message.target_port;
    out.keep_client =
        message.keep_client != 0 && (message.is_ipv6 != 0 ? answers_.v6 : answers_.v4);
    return out;
  }

  void add(const std::string& key, const Message& message, Fd listener) {
    ::fcntl(listener.get(), F_SETFL, O_NONBLOCK);  // a client that left would block accept(2)
    Target target = target_of(message);
    auto found = served_.find(key);
    if (found != served_.end() && found->second.target == target) return;
    remove(key);
    Served served;
    served.target = target;
    served.fd = listener.get();
    if (message.is_udp != 0) {
      served.relay = std::make_shared<UdpRelay>(loop_, std::move(listener), target);
      served.watcher = served.relay;
    } else {
      served.watcher = std::make_shared<TcpListener>(loop_, pipes_, std::move(listener), target);
    }
    served.id = loop_.watch(served.fd, served.watcher, EPOLLIN);
    served_[key] = std::move(served);
  }

  void remove(std::string key) {
    auto found = served_.find(key);
    if (found == served_.end()) return;
    Served& served = found->second;
    loop_.unwatch(served.fd, served.id);
    if (served.relay) served.relay->close();
    // The supervisor holds the port on: it is refused from now on, and not taken by others.
    if (!served.relay) ::shutdown(served.fd, SHUT_RDWR);
    served_.erase(found);
  }

  EventLoop& loop_;
  PipePool& pipes_;
  Answers answers_;
  std::map<std::string, Served> served_;
};

// Two descriptors a connection: as many as the host lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run() {
  raise_descriptor_limit();
  PipePool pipes;  // outlives the connections, which the loop has
  EventLoop loop;
  auto control = std::make_shared<Control>(loop, pipes);
  control->find_answers();
  loop.watch(kControlFd, control, EPOLLIN);
  auto next_tick = std::chrono::steady_clock::now() + EventLoop::kTick;
  while (!loop.stopped()) {
    loop.turn();
    if (std::chrono::steady_clock::now() < next_tick) continue;
    control->drop_idle();
    next_tick = std::chrono::steady_clock::now() + EventLoop::kTick;
  }
  return 0;
}

}  // namespace
}  // namespace pcompose::netns::forwarder

int main(int argc, char** argv) {
  // splice(2) to a socket that was closed raises it.
  std::signal(SIGPIPE, SIG_IGN);
  ::prctl(PR_SET_NAME, "pc-forwarder");
  try {
    if (argc > 1 && std::strcmp(argv[1], "--enter") == 0) {
      pcompose::Fd home(pcompose::netns::forwarder::kHomeFd);
      if (::setns(home.get(), CLONE_NEWNET) != 0)
        throw pcompose::Error::from_errno("enter the network namespace of the bridges");
    }
    return pcompose::netns::forwarder::run();
  } catch (const std::exception& e) {
    pcompose::write_all(STDERR_FILENO, std::string("pcompose-forwarder: ") + e.what() + "\n");
    return 1;
  }
}
