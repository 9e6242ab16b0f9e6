#include "netns/socket_address.h"

#include <arpa/inet.h>
#include <cstring>

#include "base/error.h"

namespace pcompose::netns {

SocketAddress::SocketAddress(const Ip& address, uint16_t port) {
  if (const Ipv6* v6 = address.v6()) {
    sockaddr_in6 at{};
    at.sin6_family = AF_INET6;
    at.sin6_port = htons(port);
    std::memcpy(&at.sin6_addr, v6->bytes.data(), v6->bytes.size());
    size_ = sizeof at;
    std::memcpy(&storage_, &at, sizeof at);
    return;
  }
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(address.v4()->value);
  size_ = sizeof at;
  std::memcpy(&storage_, &at, sizeof at);
}

SocketAddress SocketAddress::local(int socket) {
  SocketAddress out;
  if (::getsockname(socket, out.fill(), out.fill_size()) != 0) {
    throw Error::from_errno("read a socket's address");
  }
  return out;
}

Ip SocketAddress::ip() const {
  if (storage_.ss_family == AF_INET6) {
    sockaddr_in6 at;
    std::memcpy(&at, &storage_, sizeof at);
    if (IN6_IS_ADDR_V4MAPPED(&at.sin6_addr)) return Ipv4{ntohl(at.sin6_addr.s6_addr32[3])};
    Ipv6 out;
    std::memcpy(out.bytes.data(), &at.sin6_addr, out.bytes.size());
    return out;
  }
  sockaddr_in at;
  std::memcpy(&at, &storage_, sizeof at);
  return Ipv4{ntohl(at.sin_addr.s_addr)};
}

uint16_t SocketAddress::port() const {
  // The port is at the same place in both (RFC 3493, 3.3).
  sockaddr_in at;
  std::memcpy(&at, &storage_, sizeof at);
  return ntohs(at.sin_port);
}

}  // namespace pcompose::netns
