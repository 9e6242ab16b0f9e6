#include "base/netlink.h"

#include <array>
#include <cerrno>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose {
namespace {

// NLMSG_ALIGNTO and NLA_ALIGNTO are both 4.
constexpr size_t aligned(size_t n) { return (n + 3U) & ~size_t{3}; }

void send_all(int socket, const NetlinkBatch& batch) {
  std::span<const uint8_t> bytes = batch.bytes();
  ssize_t n = 0;
  do {
    n = ::send(socket, bytes.data(), bytes.size(), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) throw Error::from_errno("send to netlink");
}

// One datagram; empty where none is there (MSG_DONTWAIT).
std::span<const uint8_t> receive(int socket, std::span<uint8_t> buffer, int flags) {
  ssize_t n = 0;
  do {
    n = ::recv(socket, buffer.data(), buffer.size(), flags);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) != 0) return {};
  if (n < 0) throw Error::from_errno("receive from netlink");
  return buffer.first(static_cast<size_t>(n));
}

// Takes one message off the front of `rest`. False at the end.
bool next_message(std::span<const uint8_t>& rest, nlmsghdr& header,
                  std::span<const uint8_t>& payload) {
  if (rest.size() < sizeof header) return false;
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return false;
  payload = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
  rest = rest.subspan(std::min(rest.size(), aligned(header.nlmsg_len)));
  return true;
}

int verdict(std::span<const uint8_t> payload) {
  int error = 0;
  if (payload.size() >= sizeof error) std::memcpy(&error, payload.data(), sizeof error);
  return -error;
}

}  // namespace

void NetlinkBatch::append(const void* data, size_t size) {
  const auto* from = static_cast<const uint8_t*>(data);
  bytes_.insert(bytes_.end(), from, from + size);
  bytes_.resize(aligned(bytes_.size()));
  finish();
}

// The message's length grows with every append, so that the batch may be sent at any time.
void NetlinkBatch::finish() {
  auto length = static_cast<uint32_t>(bytes_.size() - message_);
  std::memcpy(bytes_.data() + message_, &length, sizeof length);
}

void NetlinkBatch::begin_message(uint16_t type, unsigned flags, const void* header, size_t size) {
  message_ = bytes_.size();
  nlmsghdr h{};
  h.nlmsg_len = sizeof h;
  h.nlmsg_type = type;
  h.nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
  h.nlmsg_seq = static_cast<uint32_t>(++messages_);
  append(&h, sizeof h);
  append(header, size);
}

void NetlinkBatch::put(uint16_t type, const void* data, size_t size) {
  nlattr a{static_cast<uint16_t>(sizeof(nlattr) + size), type};
  append(&a, sizeof a);
  append(data, size);
}

void NetlinkBatch::put_string(uint16_t type, std::string_view text) {
  std::string terminated(text);
  put(type, terminated.c_str(), terminated.size() + 1);
}

size_t NetlinkBatch::open(uint16_t type) {
  size_t at = bytes_.size();
  nlattr a{sizeof(nlattr), type};
  append(&a, sizeof a);
  return at;
}

void NetlinkBatch::close(size_t nest) {
  auto length = static_cast<uint16_t>(bytes_.size() - nest);
  std::memcpy(bytes_.data() + nest, &length, sizeof length);
}

void NetlinkBatch::clear() {
  bytes_.clear();
  message_ = 0;
  messages_ = 0;
}

std::string NetlinkAttribute::text() const {
  const auto* chars = reinterpret_cast<const char*>(data.data());
  return {chars, ::strnlen(chars, data.size())};
}

std::vector<NetlinkAttribute> attributes(std::span<const uint8_t> payload, size_t header) {
  std::vector<NetlinkAttribute> out;
  size_t at = aligned(header);
  while (at + sizeof(nlattr) <= payload.size()) {
    nlattr a;
    std::memcpy(&a, payload.data() + at, sizeof a);
    if (a.nla_len < sizeof a || at + a.nla_len > payload.size()) break;
    auto type = static_cast<uint16_t>(a.nla_type & NLA_TYPE_MASK);
    out.push_back({type, payload.subspan(at + sizeof a, a.nla_len - sizeof a)});
    at += aligned(a.nla_len);
  }
  return out;
}

Fd open_netlink(int family) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family));
  if (!fd) throw Error::from_errno("open a netlink socket");
  // Without it every acknowledgement carries the whole request back.
  int on = 1;
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return fd;
}

int send_batch(int socket, const NetlinkBatch& batch) {
  send_all(socket, batch);
  // The kernel answers within send(2): what is not in the queue now will not come.
  int first = 0;
  std::array<uint8_t, 16384> buffer;
  for (;;) {
    std::span<const uint8_t> rest = receive(socket, buffer, MSG_DONTWAIT);
    if (rest.empty()) return first;
    nlmsghdr header;
    std::span<const uint8_t> payload;
    while (next_message(rest, header, payload)) {
      if (header.nlmsg_type == NLMSG_ERROR && first == 0) first = verdict(payload);
    }
  }
}

int request(int socket, const NetlinkBatch& batch, const NetlinkHandler& each) {
  send_all(socket, batch);
  std::array<uint8_t, 32768> buffer;
  for (;;) {
    std::span<const uint8_t> rest = receive(socket, buffer, 0);
    nlmsghdr header;
    std::span<const uint8_t> payload;
    while (next_message(rest, header, payload)) {
      if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) {
        return verdict(payload);
      }
      each(header.nlmsg_type, payload);
    }
  }
}

}  // namespace pcompose
