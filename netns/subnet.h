// IPv4 addresses, prefixes, and where new ones come from. Values and pure functions only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace pcompose::netns {

// An IPv4 address. `value` is in host byte order, so that addresses can be counted.
struct Ipv4 {
  uint32_t value = 0;

  // Exactly four decimal parts without leading zeros ("010" is octal to inet_aton(3) and decimal to
  // others: refused). nullopt otherwise.
  static std::optional<Ipv4> parse(std::string_view text);
  [[nodiscard]] std::string str() const;
  [[nodiscard]] bool is_any() const { return value == 0; }
  [[nodiscard]] bool is_loopback() const { return value >> 24U == 127; }
  friend auto operator<=>(const Ipv4&, const Ipv4&) = default;
};

// A subnet: `base` has no host bits.
struct Prefix {
  Ipv4 base;
  int length = 32;

  // "10.1.2.0/24"; host bits are cleared ("10.1.2.3/24" is 10.1.2.0/24, as docker takes it).
  static std::optional<Prefix> parse(std::string_view text);
  [[nodiscard]] std::string str() const;
  [[nodiscard]] uint32_t mask() const;
  [[nodiscard]] Ipv4 last() const;  // the broadcast address
  [[nodiscard]] bool contains(Ipv4 address) const;
  [[nodiscard]] bool overlaps(const Prefix& other) const;
  // The first address after the base: docker's choice for the gateway.
  [[nodiscard]] Ipv4 first() const { return Ipv4{base.value + 1}; }
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

struct Ipv6;

// An Ethernet address.
struct Mac {
  std::array<uint8_t, 6> bytes{};

  // "02:42:ac:11:00:02", a unicast address. nullopt otherwise.
  static std::optional<Mac> parse(std::string_view text);
  // Locally administered and made from the IPv4 address: a replica that keeps its lease keeps its
  // MAC too, so its neighbours' ARP entries stay right when it is made again.
  static Mac of(Ipv4 address);
  // The same for a network without IPv4.
  static Mac of(const Ipv6& address);
  [[nodiscard]] std::string str() const;
  friend auto operator<=>(const Mac&, const Mac&) = default;
};

// A range that is cut into subnets of `length`.
struct Pool {
  Prefix range;
  int length;
};

// Ours: 1024 subnets of 10.112.0.0/12, then 256 of 172.28.0.0/14, a /22 each because a bridge takes
// 1023 ports. Apart from the first choices of docker (172.17-), podman (10.88-) and Kubernetes
// (10.96/12).
std::span<const Pool> default_pools();

// The first subnet of the pools that overlaps nothing of `taken` (routes of the host, subnets of
// other networks; a default route 0.0.0.0/0 does not count). Throws Error where all are taken.
Prefix pick_subnet(std::span<const Pool> pools, std::span<const Prefix> taken);

// The lowest host address above `after` that is not in `taken`, going round once. Addresses that
// were given back are reused late, so that nobody's stale connection meets a stranger. nullopt: the
// subnet is full.
std::optional<Ipv4> pick_address(const Prefix& subnet, const std::set<Ipv4>& taken, Ipv4 after);
// The same between two addresses, both included.
std::optional<Ipv4> pick_between(Ipv4 low, Ipv4 high, const std::set<Ipv4>& taken, Ipv4 after);

}  // namespace pcompose::netns
