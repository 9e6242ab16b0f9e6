#include "netns/ports.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "netns/port_holder.h"
#include "netns/socket_address.h"

namespace pcompose::netns {
namespace {

constexpr int kHintTries = 64;
constexpr int kEphemeralTries = 32;  // until a port is free in both families

enum class Reuse { no, yes };

// The bound socket, or nothing and errno.
Fd try_bind(const Ip& host, uint16_t port, Protocol protocol, Reuse reuse) {
  int family = host.v6() != nullptr ? AF_INET6 : AF_INET;
  int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd fd(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!fd) return {};
  int on = 1;
  // Otherwise it would take the IPv4 port, too.
  if (family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (reuse == Reuse::yes) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  SocketAddress at(host, port);
  if (::bind(fd.get(), at.get(), at.size()) != 0) return {};
  return fd;
}

bool has_ipv6() {
  Ipv6 one;
  one.bytes[15] = 1;
  return static_cast<bool>(try_bind(one, 0, Protocol::udp, Reuse::no));
}

Error cannot_reserve(const Ip& host, uint16_t port, Protocol protocol, int error) {
  Error out("reserve port " + port_text(host, port, protocol), error);
  if (error == EADDRNOTAVAIL) out.hint("no link of this host has the address " + host.str());
  if (error == EAFNOSUPPORT) out.hint("this host has no IPv6");
  if (error == EACCES)
    out.hint(
        "ports below 1024 are for root: choose another, or sysctl "
        "net.ipv4.ip_unprivileged_port_start");
  return out;
}

void set_reuse(const Fd& socket, int on) {
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

// A port that the kernel chose goes with shutdown(2), by which the forwarder stops to listen; one
// that was asked for stays. So what it chose is asked for, while both may have it (socket(7)).
Fd asked_for(Fd chosen, const Ip& host, Protocol protocol) {
  set_reuse(chosen, 1);
  uint16_t port = SocketAddress::local(chosen.get()).port();
  Fd fd = try_bind(host, port, protocol, Reuse::yes);
  if (!fd) return chosen;
  set_reuse(fd, 0);
  return fd;
}

// nullopt: in use.
std::optional<ReservedPort> reserve_one(const Ip& host, uint16_t port, Protocol protocol) {
  Fd fd = try_bind(host, port, protocol, Reuse::no);
  int error = errno;
  // Without SO_REUSEADDR even a connection in TIME_WAIT keeps a TCP port; with it two reservations
  // would both succeed. So it is used only where no socket that somebody owns is in the way.
  if (!fd && error == EADDRINUSE && port != 0 && protocol == Protocol::tcp &&
      only_time_wait(host, port)) {
    fd = try_bind(host, port, protocol, Reuse::yes);
    error = errno;
  }
  if (!fd && error == EADDRINUSE) return {};
  if (!fd) throw cannot_reserve(host, port, protocol, error);
  if (port == 0) fd = asked_for(std::move(fd), host, protocol);
  uint16_t taken = SocketAddress::local(fd.get()).port();
  return ReservedPort{std::move(fd), host, taken, protocol};
}

// One port on all addresses; 0 is any that all have free.
std::vector<ReservedPort> reserve_all(const std::vector<Ip>& hosts, uint16_t port,
                                      Protocol protocol, PortRow& taken) {
  std::vector<ReservedPort> out;
  for (const Ip& host : hosts) {
    uint16_t wanted = out.empty() ? port : out.front().port;
    auto reserved = reserve_one(host, wanted, protocol);
    if (!reserved) {
      taken.host = host;
      taken.port = wanted;
      taken.protocol = protocol;
      return {};
    }
    out.push_back(std::move(*reserved));
  }
  return out;
}

}  // namespace

std::string port_text(const Ip& host, uint16_t port, Protocol protocol) {
  std::string text = fmt::format("{}/{}", port, protocol_name(protocol));
  return host.is_any() ? text : host.url_host() + ":" + text;
}

std::vector<Ip> host_addresses(const std::string& host_ip) {
  if (host_ip.empty()) {
    std::vector<Ip> both{Ipv4{}};
    if (has_ipv6()) both.emplace_back(Ipv6{});
    return both;
  }
  if (auto address = Ip::parse(host_ip)) return {*address};
  throw Error("\"" + host_ip + "\" is not an IP address");
}

std::string port_holder(const Ip& host, uint16_t port, Protocol protocol) {
  auto socket = find_holder(host, port, protocol);
  return socket ? holder_text(*socket) : "another process";
}

std::vector<ReservedPort> try_reserve(const PortWish& wish, PortRow& taken) {
  auto hosts = host_addresses(wish.host_ip);
  int last = std::max(wish.first, wish.last);
  for (int port = wish.first; port <= last; ++port) {
    int tries = port == 0 ? kEphemeralTries : 1;
    for (int i = 0; i < tries; ++i) {
      auto out = reserve_all(hosts, static_cast<uint16_t>(port), wish.protocol, taken);
      if (!out.empty()) return out;
    }
  }
  return {};
}

ReservedPort bound_port(Fd socket) {
  SocketAddress at = SocketAddress::local(socket.get());
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    throw Error::from_errno("read a socket's type");
  }
  auto protocol = type == SOCK_DGRAM ? Protocol::udp : Protocol::tcp;
  return {std::move(socket), at.ip(), at.port(), protocol};
}

std::optional<uint16_t> next_free(const PortWish& wish, uint16_t after) {
  auto hosts = host_addresses(wish.host_ip);
  PortRow taken;
  for (int next = after + 1; next <= std::min(after + kHintTries, 65535); ++next) {
    auto port = static_cast<uint16_t>(next);
    if (!reserve_all(hosts, port, wish.protocol, taken).empty()) return port;
  }
  return {};
}

Error port_in_use(const PortWish& wish, const PortRow& taken, const std::string& holder) {
  std::string text = port_text(taken.host, taken.port, taken.protocol);
  if (wish.last > wish.first) {
    text = fmt::format("{} (the last of {}-{})", text, wish.first, wish.last);
  }
  Error out("port " + text + " is in use by " + holder);
  auto free = next_free(wish, taken.port);
  if (free) return out.hint(fmt::format("port {} is free", *free));
  return out.hint("choose another port, or leave it out for any free one");
}

}  // namespace pcompose::netns
