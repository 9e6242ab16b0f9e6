// The texts of firewall.h: pure.
#include <algorithm>
#include <cctype>

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
// - routed: `same` because br_netfilter shows frames within a bridge here; a network is entered by
// published
//   ports only; an internal one is not left.
constexpr const char* kMapsAndSets = R"(
  map pub4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map pub4_any { type inet_proto . inet_service : ipv4_addr . inet_service; }
  set bridges { type ifname; }
  set internal { type ifname; }
  set foreign { type ifname; }
  set same { type ifname . ifname; }
  set own4 { type ifname . ipv4_addr; flags interval; }
  set nat4 { type ipv4_addr; flags interval; }
)";
constexpr const char* kChains = R"(
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }
  chain publish {
    meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @pub4
    meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @pub4_any
  }
  chain incoming {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain local {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }
  chain outgoing {
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    ct status dnat oifname . ip saddr @own4 masquerade
    oifname != @bridges ip saddr @nat4 masquerade
  }
  chain routed {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @same accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    iifname @internal drop
    iifname @foreign oifname @foreign drop
  }
)";

std::string_view verb(Change change) { return change == Change::add ? "add" : "delete"; }

std::string port_element(const PortRow& port, Change change) {
  std::string key = fmt::format("{} . {}", protocol_name(port.protocol), port.port);
  if (!port.host.is_any()) key = port.host.str() + " . " + key;
  if (change == Change::remove) return key;
  return fmt::format("{} : {} . {}", key, port.target.str(), port.target_port);
}

// "add element inet TAG pub4 { a, b }" or nothing.
std::string port_elements(const std::string& tag, Change change, std::string_view map,
                          std::span<const PortRow> ports, bool any) {
  std::string list;
  for (const PortRow& port : ports) {
    if (port.host.is_any() != any) continue;
    list += (list.empty() ? "" : ", ") + port_element(port, change);
  }
  if (list.empty()) return list;
  return fmt::format("{} element {} {} {{ {} }}\n", verb(change), table(tag), map, list);
}

}  // namespace

std::string render_table(const std::string& tag, std::span<const std::string> foreign) {
  std::string out = fmt::format("table {} {{{}{}}}\n", table(tag), kMapsAndSets, kChains);
  for (const std::string& link : foreign) {
    out += fmt::format("add element {} foreign {{ \"{}\" }}\n", table(tag), checked(link));
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
  element("own4", fmt::format("\"{}\" . {}", link, network.subnet.str()));
  if (network.reach == Reach::internal) {
    element("internal", fmt::format("\"{}\"", link));
  } else {
    element("nat4", network.subnet.str());
  }
  return out;
}

std::string render_ports(const std::string& tag, Change change, std::span<const PortRow> ports) {
  return port_elements(tag, change, "pub4", ports, false) +
         port_elements(tag, change, "pub4_any", ports, true);
}

}  // namespace pcompose::netns
