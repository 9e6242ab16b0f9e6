#include "netns/ports.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/error.h"
#include "netns/port_holder.h"

namespace pcompose::netns {
namespace {

constexpr int kHintTries = 64;

enum class Reuse { no, yes };

// The bound socket, or nothing and errno.
Fd try_bind(Ipv4 host, uint16_t port, Protocol protocol, Reuse reuse) {
  int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd) throw Error::from_errno("open a socket");
  int on = 1;
  if (reuse == Reuse::yes) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(host.value);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return {};
  return fd;
}

uint16_t port_of(const Fd& fd) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    throw Error::from_errno("read a reserved port");
  }
  return ntohs(at.sin_port);
}

std::string free_port_hint(Ipv4 host, uint16_t port, Protocol protocol) {
  for (int next = port + 1; next <= std::min(port + kHintTries, 65535); ++next) {
    if (try_bind(host, static_cast<uint16_t>(next), protocol, Reuse::no)) {
      return fmt::format("port {} is free", next);
    }
  }
  return "choose another port, or leave it out for any free one";
}

}  // namespace

std::string port_text(Ipv4 host, uint16_t port, Protocol protocol) {
  std::string text = fmt::format("{}/{}", port, protocol_name(protocol));
  return host.is_any() ? text : host.str() + ":" + text;
}

Ipv4 parse_host_ip(const std::string& host_ip) {
  if (host_ip.empty()) return {};
  if (auto address = Ipv4::parse(host_ip)) return *address;
  in6_addr v6;
  std::string bare = host_ip;
  if (bare.size() > 2 && bare.front() == '[' && bare.back() == ']') {
    bare = bare.substr(1, bare.size() - 2);
  }
  if (::inet_pton(AF_INET6, bare.c_str(), &v6) == 1) {
    throw Error("ports on the IPv6 address " + host_ip + " are not supported yet")
        .hint("use an IPv4 address of the host, or none");
  }
  throw Error("\"" + host_ip + "\" is not an IP address");
}

std::string port_holder(Ipv4 host, uint16_t port, Protocol protocol) {
  auto socket = find_holder(host, port, protocol);
  return socket ? holder_text(*socket) : "another process";
}

Error port_in_use(Ipv4 host, uint16_t port, Protocol protocol, const std::string& holder) {
  Error out("port " + port_text(host, port, protocol) + " is in use by " + holder);
  return out.hint(free_port_hint(host, port, protocol));
}

std::optional<ReservedPort> try_reserve(Ipv4 host, uint16_t port, Protocol protocol) {
  Fd fd = try_bind(host, port, protocol, Reuse::no);
  int error = errno;
  // Without SO_REUSEADDR even a connection in TIME_WAIT keeps a TCP port; with it two reservations
  // would both succeed. So it is used only where no socket that somebody owns is in the way.
  if (!fd && error == EADDRINUSE && port != 0 && protocol == Protocol::tcp &&
      only_time_wait(host, port)) {
    fd = try_bind(host, port, protocol, Reuse::yes);
    error = errno;
  }
  if (fd) {
    uint16_t taken = port_of(fd);
    return ReservedPort{std::move(fd), host, taken, protocol};
  }
  if (error == EADDRINUSE) return {};
  Error out("reserve port " + port_text(host, port, protocol), error);
  if (error == EADDRNOTAVAIL) out.hint("no link of this host has the address " + host.str());
  if (error == EACCES) out.hint("ports below 1024 need CAP_NET_BIND_SERVICE");
  throw out;
}

ReservedPort reserve_port(const std::string& host_ip, uint16_t port, Protocol protocol) {
  Ipv4 host = parse_host_ip(host_ip);
  if (auto reserved = try_reserve(host, port, protocol)) return std::move(*reserved);
  throw port_in_use(host, port, protocol, port_holder(host, port, protocol));
}

}  // namespace pcompose::netns
