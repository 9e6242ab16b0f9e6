#include "netns/listeners.h"

#include <algorithm>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>

#include "base/error.h"
#include "netns/socket_dump.h"
#include "netns/subnet.h"

namespace pcompose::netns {
namespace {

constexpr Ipv4 kNameServer{
    0x7f00000b};  // 127.0.0.11: our own socket says nothing about the application

Exposure exposure_of(Ipv4 address) {
  return address.is_loopback() ? Exposure::loopback : Exposure::beyond;
}

Exposure exposure_of(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address)) return Exposure::loopback;
  if (IN6_IS_ADDR_V4MAPPED(&address)) return exposure_of(Ipv4{ntohl(address.s6_addr32[3])});
  return Exposure::beyond;
}

std::optional<Listener> read(const inet_diag_msg& m) {
  uint16_t port = ntohs(m.id.idiag_sport);
  if (m.idiag_family == AF_INET6) {
    in6_addr address;
    std::memcpy(&address, m.id.idiag_src, sizeof address);
    return Listener{port, exposure_of(address)};
  }
  Ipv4 address{ntohl(m.id.idiag_src[0])};
  if (address == kNameServer) return {};
  return Listener{port, exposure_of(address)};
}

void dump(int diag, uint8_t family, std::vector<Listener>& out) {
  int error = dump_sockets(diag, {family, IPPROTO_TCP, 1U << TCP_LISTEN}, [&](const auto& m) {
    if (auto listener = read(m)) out.push_back(*listener);
  });
  // ENOENT: no diag module for the family (a kernel without IPv6), so nobody listens on it.
  if (error != 0 && error != ENOENT) throw Error("list the listening sockets", error);
}

}  // namespace

std::vector<Listener> listeners(int diag) {
  std::vector<Listener> out;
  dump(diag, AF_INET, out);
  dump(diag, AF_INET6, out);
  std::ranges::sort(out);
  auto rest = std::ranges::unique(out);
  out.erase(rest.begin(), rest.end());
  return out;
}

}  // namespace pcompose::netns
