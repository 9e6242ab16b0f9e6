#include "netns/forwarder/target.h"

#include <cerrno>
#include <netinet/in.h>

namespace pcompose::netns::forwarder {
namespace {

bool same_family(const Ip& a, const Ip& b) { return (a.v6() != nullptr) == (b.v6() != nullptr); }

Fd open_socket(const Target& target, int type) {
  int family = target.address.v6() != nullptr ? AF_INET6 : AF_INET;
  return Fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool connects(const Fd& fd, const Target& target) {
  SocketAddress to(target.address, target.port);
  return ::connect(fd.get(), to.get(), to.size()) == 0 || errno == EINPROGRESS;
}

// A client on loopback cannot be imitated elsewhere, and "127.0.0.1" would open the rules that
// databases have for local users.
Fd connect_as(const Target& target, int type, const SocketAddress& client) {
  Ip from = client.ip();
  if (!target.keep_client || from.is_loopback() || !same_family(from, target.address)) return {};
  Fd fd = open_socket(target, type);
  int on = 1;
  // One client's port may come to several published ports.
  if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool v6 = from.v6() != nullptr;
  int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  SocketAddress own(from, client.port());
  bool bound =
      fd &&
      ::setsockopt(fd.get(), level, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on) == 0 &&
      ::bind(fd.get(), own.get(), own.size()) == 0;
  return bound && connects(fd, target) ? std::move(fd) : Fd();
}

}  // namespace

Fd connect_target(const Target& target, int type, const SocketAddress& client) {
  if (Fd fd = connect_as(target, type, client)) return fd;
  Fd fd = open_socket(target, type);
  return fd && connects(fd, target) ? std::move(fd) : Fd();
}

}  // namespace pcompose::netns::forwarder
