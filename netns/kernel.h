// The kernel's side of networks: namespaces, bridges, veth pairs. Synchronous, for one dedicated
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/netlink.h"
#include "netns/ip.h"
#include "netns/subnet.h"

namespace pcompose::netns {

// Sockets on 127.0.0.11 inside a namespace. Clients use port 53; see open_dns.
struct DnsSockets {
  Fd udp;
  Fd tcp;  // listens
};

enum class Dns { none, serve };

// A new network namespace. It lives as long as a process is in it or a descriptor of it is open.
struct Namespace {
  Fd fd;
  Fd route;  // an rtnetlink socket inside it: what is done there later needs no second entry
  DnsSockets dns;
};

struct BridgeSpec {
  std::string name;  // at most 15 characters
  Prefix subnet;
  Ipv4 gateway;  // the bridge's own address
  bool ipv4 = true;
  std::optional<Prefix6> subnet6;  // nothing: IPv6 stays off
  Ipv6 gateway6;
  int mtu = 0;             // 0 = the kernel's
  std::string alias = {};  // ip-link(8): whose it is, for who finds it without its row
};

struct EndpointLink {
  std::string bridge;
  std::string link;       // the host's end; a name never used before (namespaces die late)
  std::string interface;  // eth0
  std::optional<Ipv4> address;
  int prefix_length = 24;
  std::optional<Ipv4> default_gateway;
  Mac mac;
  uint32_t group = 0;  // link group of the host's end (ip-link(8)): all of a root share one
  std::optional<Ipv6> address6;
  int prefix6_length = 64;
  std::optional<Ipv6> default_gateway6;
  std::vector<Ip> link_locals;  // further addresses, 169.254/16 or fe80::/64
  int mtu = 0;
  bool isolated = false;  // reaches the bridge, but no other isolated port
  // Instead of a bridge: a macvlan or ipvlan of this link of the host.
  std::string parent;
  std::string kind, mode;
};

// All methods throw Error naming the object and leave nothing half done that a repeated call would
// trip over. Root only, of the host's network namespace, on the thread that made the object:
// entering a namespace moves the calling thread for some microseconds (unshare(2), setns(2)).
class Kernel {
 public:
  Kernel();

  // A namespace with loopback up, IPv6 off but on loopback, ping allowed to every group and ports
  // from 0 for everyone (as docker has it: a container's user is not root). About 0.6 ms.
  Namespace make_namespace(Dns dns);
  // The same of one that is new and was made by another.
  Namespace furnish_namespace(int namespace_fd, Dns dns);

  // UDP and TCP sockets on 127.0.0.11 in an existing namespace, and the stateless nftables rewrite
  // of port 53 to them, so that an application may own port 53 itself. Replaces the rewrite of an
  // earlier call: for after the sockets' last holder died.
  DnsSockets open_dns(int namespace_fd);

  // An rtnetlink socket in the namespace, for attach().
  Fd open_route(int namespace_fd);
  // A NETLINK_SOCK_DIAG socket in the namespace, for listeners(). Keep it: a dump then costs 24 us.
  Fd open_diag(int namespace_fd);
  // As connections.h has it, of the namespace.
  bool end_connections(int namespace_fd);
  // A TCP socket in the namespace that is not connected; non-blocking. `family`: AF_INET, AF_INET6.
  Fd open_tcp(int namespace_fd, int family);

  // Makes the bridge, or brings one of that name into the wanted state. IPv6 is off on it,
  // route_localnet is on (for published ports on 127.0.0.1).
  void ensure_bridge(const BridgeSpec& spec);
  // True where there was one. Ports that are left lose their master and die with their namespaces.
  bool delete_bridge(const std::string& name);
  // The same for many at once, by a link group (ip-link(8)) that nothing else is in: the kernel
  // waits for its readers once instead of once a bridge (20 to 50 ms each). Names that do not exist
  // are fine.
  void delete_bridges(const std::vector<std::string>& names, uint32_t group);
  [[nodiscard]] bool link_exists(const std::string& name);

  // A veth pair between the bridge and the namespace, whose end comes up with its address and
  // route. `route` is the namespace's rtnetlink socket. About 0.6 ms. EXFULL: the bridge has its
  // 1023 ports.
  void attach(int namespace_fd, int route, const EndpointLink& endpoint);
  // Waits until frames pass between the namespace and the bridge. A link that just got its carrier
  // drops what is sent until the kernel's link watcher has run, and an ARP request lost in that
  // time is repeated after a second. Linux 6.8 and later run the watcher when asked for the link
  // (rtnl_getlink), 40 us; before, this polls. Throws Error after 2 s.
  void settle(int route, const EndpointLink& endpoint);
  // Takes a living container off a network: 18 ms, so never for teardown (closing the namespace
  // does it).
  void detach(const std::string& link);
  // The same by the container's end, where the host has none (macvlan).
  void remove_inside(int route, const std::string& interface);
  // For a container that lost or got the network of its default route.
  void set_default_route(int route, const std::string& interface, const Ip& gateway);

  // What carries the mark is delivered here, whatever its destination: for sockets bound to
  // addresses of others. Both families; once is enough (ip-rule(8)).
  void deliver_marked(uint32_t mark);

  // Destinations of the host's main routing table without the default route.
  [[nodiscard]] std::vector<Prefix> routes();
  [[nodiscard]] std::vector<Prefix6> routes6();
  // Names and indices of all links of the host's namespace.
  [[nodiscard]] std::map<std::string, int> links();
  // Names of those with this alias.
  [[nodiscard]] std::vector<std::string> links_of(const std::string& alias);

 private:
  Namespace furnish_here(Dns dns);
  int link_index(const std::string& name);
  void give_bridge(const BridgeSpec& spec, int index, const Ip& address, int length);
  void make_child_link(int namespace_fd, const EndpointLink& endpoint);
  void allow_ipv6(int namespace_fd, const std::string& interface);
  void configure(int route, const EndpointLink& endpoint);

  Fd host_;  // the host's network namespace, to return to
  Fd route_;
};

}  // namespace pcompose::netns
