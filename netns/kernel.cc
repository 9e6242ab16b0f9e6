#include "netns/kernel.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <spdlog/spdlog.h>

#include "base/error.h"
#include "netns/connections.h"
#include "netns/dns_rewrite.h"
#include "netns/sysctl.h"

namespace pcompose::netns {
namespace {

constexpr uint32_t kDnsAddress = 0x7f00000b;  // 127.0.0.11
// Above the ephemeral range (ip_local_port_range ends at 60999): an application's ephemeral socket
// on 0.0.0.0 cannot have it by accident, and few programs choose it.
constexpr uint16_t kHighDnsPort = 61053;
constexpr int kDnsBacklog = 64;
constexpr int kDnsQueue = 4 << 20;  // bytes; used only while queries wait

// Brings the thread home at the end of a scope.
class Return {
 public:
  explicit Return(int home) : home_(home) {}
  Return(const Return&) = delete;
  Return& operator=(const Return&) = delete;
  ~Return() {
    if (::setns(home_, CLONE_NEWNET) == 0) return;
    // All that this thread does later would hit a container's namespace: better to stop here.
    spdlog::critical("cannot return to the host's network namespace: errno {}", errno);
    std::abort();
  }

 private:
  int home_;
};

void enter(int namespace_fd) {
  if (::setns(namespace_fd, CLONE_NEWNET) != 0) {
    throw Error::from_errno("enter a network namespace");
  }
}

bool bind_dns(int socket, uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(kDnsAddress);
  at.sin_port = htons(port);
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
}

uint16_t bound_port(int socket) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) != 0) {
    throw Error::from_errno("read a DNS socket's port");
  }
  return ntohs(at.sin_port);
}

Fd dns_socket(int type) {
  Fd fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw Error::from_errno("open a DNS socket");
  // Queries wait here while a supervisor is replaced: the default holds some 270 of them. Where it
  // may not be forced, as much as net.core.rmem_max allows.
  int bytes = kDnsQueue;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  // An application may have taken our port while a namespace was without us.
  if (!bind_dns(fd.get(), kHighDnsPort) && !bind_dns(fd.get(), 0)) {
    throw Error::from_errno("bind a DNS socket to 127.0.0.11");
  }
  return fd;
}

DnsSockets open_dns_here() {
  DnsSockets out{dns_socket(SOCK_DGRAM), dns_socket(SOCK_STREAM)};
  if (::listen(out.tcp.get(), kDnsBacklog) != 0) throw Error::from_errno("listen on 127.0.0.11");
  install_dns_rewrite({bound_port(out.udp.get()), bound_port(out.tcp.get())});
  return out;
}

void loopback_up(int route) {
  ifinfomsg link{};
  link.ifi_index = 1;  // loopback is the first link of every namespace (LOOPBACK_IFINDEX)
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, NLM_F_ACK, link);
  if (int error = send_batch(route, batch); error != 0) throw Error("set loopback up", error);
}

// For every group that there is: a user namespace may have few (icmp(7), user_namespaces(7)).
void allow_ping() {
  for (const char* groups : {"0 2147483647", "0 65536", "0 65535"}) {
    try {
      return write_sysctl("net/ipv4/ping_group_range", groups);
    } catch (const Error& e) {
      if (e.error_number() != EINVAL) throw;
    }
  }
  write_sysctl("net/ipv4/ping_group_range", "0 0");
}

// Before any link comes up: link-local chatter on a bridge grows with the square of its ports.
// Writing `all` sets `default` too (ip-sysctl.rst of the kernel).
void set_namespace_defaults() {
  write_sysctl_if_there("net/ipv6/conf/all/disable_ipv6", "1");
  write_sysctl_if_there("net/ipv6/conf/lo/disable_ipv6", "0");  // programs that bind ::1 expect it
  allow_ping();
  write_sysctl("net/ipv4/ip_unprivileged_port_start", "0");
}

}  // namespace

Kernel::Kernel()
    : host_(open_file("/proc/thread-self/ns/net", O_RDONLY)), route_(open_netlink(NETLINK_ROUTE)) {}

Namespace Kernel::make_namespace(Dns dns) {
  Return home(host_.get());
  if (::unshare(CLONE_NEWNET) != 0) throw Error::from_errno("make a network namespace");
  return furnish_here(dns);
}

Namespace Kernel::furnish_namespace(int namespace_fd, Dns dns) {
  Return home(host_.get());
  enter(namespace_fd);
  return furnish_here(dns);
}

Namespace Kernel::furnish_here(Dns dns) {
  Namespace out;
  out.fd = open_file("/proc/thread-self/ns/net", O_RDONLY);
  out.route = open_netlink(NETLINK_ROUTE);
  set_namespace_defaults();
  loopback_up(
      out.route.get());  // before the sockets: an address of a link that is down cannot be bound
  if (dns == Dns::serve) out.dns = open_dns_here();
  return out;
}

DnsSockets Kernel::open_dns(int namespace_fd) {
  Return home(host_.get());
  enter(namespace_fd);
  return open_dns_here();
}

Fd Kernel::open_route(int namespace_fd) {
  Return home(host_.get());
  enter(namespace_fd);
  return open_netlink(NETLINK_ROUTE);
}

Fd Kernel::open_diag(int namespace_fd) {
  Return home(host_.get());
  enter(namespace_fd);
  return open_netlink(NETLINK_SOCK_DIAG);
}

bool Kernel::end_connections(int namespace_fd) {
  Return home(host_.get());
  enter(namespace_fd);
  return netns::end_connections();
}

Fd Kernel::open_tcp(int namespace_fd, int family) {
  Return home(host_.get());
  enter(namespace_fd);
  Fd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Error::from_errno("make a socket");
  return fd;
}

void Kernel::allow_ipv6(int namespace_fd, const std::string& interface) {
  Return home(host_.get());
  enter(namespace_fd);
  std::string settings = "net/ipv6/conf/" + interface;
  // Its router is the bridge, which sends no advertisements; its address is its own.
  write_sysctl_if_there(settings + "/accept_ra", "0");
  write_sysctl_if_there(settings + "/accept_dad", "0");
  write_sysctl(settings + "/disable_ipv6", "0");
}

}  // namespace pcompose::netns
