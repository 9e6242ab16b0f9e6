// The texts of firewall.h: pure.
#include <algorithm>
#include <cctype>
#include <sstream>

#include <fmt/format.h>

#include "base/error.h"
#include "netns/firewall.h"

namespace pcompose::netns {
namespace {

// Names reach nft's parser, so they must not hold anything that it reads as more than a name.
const std::string& checked(const std::string& name) {
  bool good = !name.empty() && name.size() < 64 &&
              std::ranges::all_of(
                  name,
                  [](char c) {
                    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                           c == '-' || c == '.';
                  });
  if (!good) throw Error("a name cannot be used in the firewall: \"" + name + "\"");
  return name;
}

const std::string& checked_table(const std::string& name) {
  if (name.empty() || std::isalpha(static_cast<unsigned char>(name.front())) == 0) {
    throw Error("\"" + name + "\" cannot be the name of a firewall table");
  }
  return checked(name);
}

// nft takes no quotes around a table; its names begin with a letter.
std::string table(const std::string& tag) { return "inet " + checked_table(tag); }

// Why each rule is there:
// - guard: with route_localnet on a bridge, containers would reach the host's loopback services.
// - publish: one lookup per packet, whatever the number of ports; an address's own entry wins.
// - outgoing: 127.0.0.1 is nobody's source outside the host; a container that comes back to its own
// network
//   through a published port must see the answer come the same way; the rest hides behind the host.
// - local: IPv6 has no route_localnet; [::1] is the forwarder's.
// - routed: `same` because br_netfilter shows frames within a bridge here; a network is entered by
// published
//   ports only; an internal one is not left.
constexpr const char* kMapsAndSets = R"(
  map pub4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map pub4_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map pub6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  map pub6_any { type inet_proto . inet_service : ipv6_addr . inet_service; }
  set bridges { type ifname; }
  set internal { type ifname; }
  set foreign { type ifname; }
  set foreign6 { type ifname; }
  set same { type ifname . ifname; }
  set own4 { type ifname . ipv4_addr; flags interval; }
  set nat4 { type ipv4_addr; flags interval; }
  set own6 { type ifname . ipv6_addr; flags interval; }
  set nat6 { type ipv6_addr; flags interval; }
)";
constexpr const char* kChains = R"(
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }
  chain publish {
    meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @pub4
    meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @pub4_any
    meta l4proto { tcp, udp } dnat ip6 to ip6 daddr . meta l4proto . th dport map @pub6
    meta l4proto { tcp, udp } dnat ip6 to meta l4proto . th dport map @pub6_any
  }
  chain incoming {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain local {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump publish
  }
  chain outgoing {
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    ct status dnat oifname . ip saddr @own4 masquerade
    oifname != @bridges ip saddr @nat4 masquerade
    ct status dnat oifname . ip6 saddr @own6 masquerade
    oifname != @bridges ip6 saddr @nat6 masquerade
  }
  chain routed {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @internal drop
    meta nfproto ipv4 iifname @foreign oifname @foreign drop
    meta nfproto ipv6 iifname @foreign6 oifname @foreign6 drop
  }
)";

std::string_view verb(Change change) { return change == Change::add ? "add" : "delete"; }

// nft reads an address and a port as a concatenation; IPv6 needs no brackets there.
std::string port_element(const PortRow& port, Change change) {
  std::string key = fmt::format("{} . {}", protocol_name(port.protocol), port.port);
  if (!port.host.is_any()) key = port.host.str() + " . " + key;
  if (change == Change::remove) return key;
  return fmt::format("{} : {} . {}", key, port.target.str(), port.target_port);
}

std::string_view map_of(const PortRow& port) {
  bool any = port.host.is_any();
  if (port.host.v6() != nullptr) return any ? "pub6_any" : "pub6";
  return any ? "pub4_any" : "pub4";
}

// "add element inet TAG pub4 { a, b }" or nothing.
std::string port_elements(const std::string& tag, Change change, std::string_view map,
                          std::span<const PortRow> ports) {
  std::string list;
  for (const PortRow& port : ports) {
    if (!port.is_mapped() || map_of(port) != map) continue;
    list += (list.empty() ? "" : ", ") + port_element(port, change);
  }
  if (list.empty()) return list;
  return fmt::format("{} element {} {} {{ {} }}\n", verb(change), table(tag), map, list);
}

}  // namespace

std::set<std::string> chains_with_rules() {
  std::set<std::string> out;
  std::istringstream words(kChains);
  for (std::string word; words >> word;) {
    if (word == "chain" && words >> word) out.insert(word);
  }
  return out;
}

std::string render_table(const std::string& tag) {
  return fmt::format("table {} {{{}{}}}\n", table(tag), kMapsAndSets, kChains);
}

std::string render_answers(const std::string& tag, uint32_t mark) {
  return fmt::format(
      "add chain {0} answers {{ type filter hook prerouting priority mangle; policy accept; }}\n"
      "add rule {0} answers iifname @bridges socket transparent 1 meta mark set {1:#x}\n",
      table(tag), mark);
}

std::string render_foreign(const std::string& tag, Family family,
                           std::span<const std::string> links) {
  std::string out;
  for (const std::string& link : links) {
    out += fmt::format("add element {} {} {{ \"{}\" }}\n", table(tag),
                       family == Family::v4 ? "foreign" : "foreign6", checked(link));
  }
  return out;
}

std::string render_network(const std::string& tag, Change change, const NetworkRow& network) {
  const std::string& link = checked(network.bridge);
  std::string out;
  auto element = [&](std::string_view set, const std::string& value) {
    out += fmt::format("{} element {} {} {{ {} }}\n", verb(change), table(tag), set, value);
  };
  element("bridges", fmt::format("\"{}\"", link));
  element("same", fmt::format("\"{0}\" . \"{0}\"", link));
  if (network.ipv4) element("own4", fmt::format("\"{}\" . {}", link, network.subnet.str()));
  if (network.subnet6) element("own6", fmt::format("\"{}\" . {}", link, network.subnet6->str()));
  if (network.reach == Reach::internal) element("internal", fmt::format("\"{}\"", link));
  if (network.reach == Reach::internal || !network.options.masquerade) return out;
  if (network.ipv4) element("nat4", network.subnet.str());
  if (network.subnet6) element("nat6", network.subnet6->str());
  return out;
}

std::string render_ports(const std::string& tag, Change change, std::span<const PortRow> ports) {
  std::string out;
  for (std::string_view map : {"pub4", "pub4_any", "pub6", "pub6_any"}) {
    out += port_elements(tag, change, map, ports);
  }
  return out;
}

}  // namespace pcompose::netns
