#include "netns/forwarder/udp_relay.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>

namespace pcompose::netns::forwarder {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kUnanswered = std::chrono::seconds(30);
constexpr auto kAnswered = std::chrono::seconds(180);
constexpr size_t kMostFlows = 8192;  // more clients lose their packets
constexpr int kPacketsAtOnce = 64;   // packets of one turn
constexpr size_t kMostBytes = 65535;

// The address a packet came to, in the form that sendmsg(2) takes it for an answer: a client that
// asked one of several addresses takes answers from that one only. ip(7), ipv6(7).
class Arrival {
 public:
  void read(msghdr& message) {
    size_ = 0;
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) keep6(c);
      if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) keep4(c);
    }
  }
  void put(msghdr& message) {
    if (size_ == 0) return;
    message.msg_control = control_.data();
    message.msg_controllen = size_;
  }

 private:
  template <class Info>
  void keep(int level, int type, const Info& info) {
    cmsghdr head{};
    head.cmsg_len = CMSG_LEN(sizeof info);
    head.cmsg_level = level;
    head.cmsg_type = type;
    std::memcpy(control_.data(), &head, sizeof head);
    std::memcpy(control_.data() + CMSG_LEN(0), &info, sizeof info);
    size_ = CMSG_SPACE(sizeof info);
  }
  void keep6(cmsghdr* c) {
    in6_pktinfo info;
    std::memcpy(&info, CMSG_DATA(c), sizeof info);
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
    keep(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
  void keep4(cmsghdr* c) {
    in_pktinfo info;
    std::memcpy(&info, CMSG_DATA(c), sizeof info);
    info.ipi_spec_dst = info.ipi_addr;
    info.ipi_ifindex = 0;
    keep(IPPROTO_IP, IP_PKTINFO, info);
  }

  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control_{};
  size_t size_ = 0;
};

}  // namespace

// One client's packets; the loop calls it with the target's answers.
class UdpRelay::Flow final : public Watcher {
 public:
  Flow(int outside, Fd socket, const SocketAddress& client)
      : outside_(outside), socket_(std::move(socket)), client_(client), last_(Clock::now()) {}

  void on_event(uint32_t) override {
    std::array<char, kMostBytes> buffer;
    for (int i = 0; i < kPacketsAtOnce; ++i) {
      ssize_t n = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n < 0 && errno != EAGAIN && errno != EINTR) continue;  // refused: ICMP said so
      if (n < 0) return;
      answer(buffer.data(), static_cast<size_t>(n));
    }
  }
  void forward(const char* data, size_t size) {
    last_ = Clock::now();
    ::send(socket_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  [[nodiscard]] bool is_idle(Clock::time_point now) const {
    return now - last_ > (answered_ ? kAnswered : kUnanswered);
  }
  [[nodiscard]] int fd() const { return socket_.get(); }

  Arrival arrival;
  uint64_t id = 0;

 private:
  void answer(char* data, size_t size) {
    last_ = Clock::now();
    answered_ = true;
    iovec part{data, size};
    msghdr message{};
    SocketAddress to = client_;
    message.msg_name = to.fill();
    message.msg_namelen = to.size();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    arrival.put(message);
    ::sendmsg(outside_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  int outside_;
  Fd socket_;
  SocketAddress client_;
  Clock::time_point last_;
  bool answered_ = false;
};

UdpRelay::UdpRelay(EventLoop& loop, Fd socket, Target target)
    : loop_(loop), socket_(std::move(socket)), target_(target) {
  int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
  ::setsockopt(socket_.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
}

UdpRelay::~UdpRelay() = default;

std::shared_ptr<UdpRelay::Flow> UdpRelay::flow_of(const SocketAddress& client) {
  Key key{client.ip(), client.port()};
  auto found = flows_.find(key);
  if (found != flows_.end()) return found->second;
  if (flows_.size() >= kMostFlows) return nullptr;
  Fd to = connect_target(target_, SOCK_DGRAM, client);
  if (!to) return nullptr;
  auto flow = std::make_shared<Flow>(socket_.get(), std::move(to), client);
  flow->id = loop_.watch(flow->fd(), flow, EPOLLIN);
  flows_.emplace(key, flow);
  return flow;
}

bool UdpRelay::relay_one() {
  std::array<char, kMostBytes> buffer;
  alignas(cmsghdr) std::array<char, 256> control;
  SocketAddress client;
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_name = client.fill();
  message.msg_namelen = *client.fill_size();
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
  if (n < 0) return errno == EINTR;
  *client.fill_size() = message.msg_namelen;
  auto flow = flow_of(client);
  if (!flow) return true;
  flow->arrival.read(message);
  flow->forward(buffer.data(), static_cast<size_t>(n));
  return true;
}

void UdpRelay::on_event(uint32_t) {
  for (int i = 0; i < kPacketsAtOnce && relay_one(); ++i) continue;
}

void UdpRelay::drop_idle() {
  auto now = Clock::now();
  std::erase_if(flows_, [&](const auto& entry) {
    if (!entry.second->is_idle(now)) return false;
    loop_.unwatch(entry.second->fd(), entry.second->id);
    return true;
  });
}

void UdpRelay::close() {
  for (auto& [key, flow] : flows_) loop_.unwatch(flow->fd(), flow->id);
  flows_.clear();
}

}  // namespace pcompose::netns::forwarder
