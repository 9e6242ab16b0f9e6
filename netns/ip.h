// IPv6 addresses and prefixes, and addresses of either family. Values and pure functions only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "netns/subnet.h"

namespace pcompose::netns {

// An IPv6 address in network byte order.
struct Ipv6 {
  std::array<uint8_t, 16> bytes{};

  // What inet_pton(3) takes: without brackets and zone. nullopt otherwise.
  static std::optional<Ipv6> parse(std::string_view text);
  [[nodiscard]] std::string str() const;  // RFC 5952
  [[nodiscard]] bool is_any() const { return *this == Ipv6{}; }
  [[nodiscard]] bool is_loopback() const;    // ::1
  [[nodiscard]] bool is_link_local() const;  // fe80::/10
  friend auto operator<=>(const Ipv6&, const Ipv6&) = default;
};

// A subnet: `base` has no host bits.
struct Prefix6 {
  Ipv6 base;
  int length = 128;

  // "fd00:1::/64"; host bits are cleared.
  static std::optional<Prefix6> parse(std::string_view text);
  [[nodiscard]] std::string str() const;
  [[nodiscard]] bool contains(const Ipv6& address) const;
  [[nodiscard]] bool overlaps(const Prefix6& other) const;
  // The address `number` above the base; the number must fit into the host bits.
  [[nodiscard]] Ipv6 at(uint64_t number) const;
  [[nodiscard]] bool has_room_for(uint64_t number) const;
  friend auto operator<=>(const Prefix6&, const Prefix6&) = default;
};

// A unique local /64 (RFC 4193) that belongs to the name: the same name gives the same subnet, on
// every machine and after every `down`. `attempt` gives another one where that is taken.
Prefix6 unique_local_subnet(std::string_view name, unsigned attempt);

// An address of either family.
struct Ip {
  std::variant<Ipv4, Ipv6> value;

  Ip() = default;
  Ip(Ipv4 address) : value(address) {}  // NOLINT: an IPv4 address is an address
  Ip(Ipv6 address) : value(address) {}  // NOLINT
  // Either form, an IPv6 address with or without brackets. nullopt otherwise.
  static std::optional<Ip> parse(std::string_view text);
  [[nodiscard]] std::string str() const;       // 127.0.0.1, ::1
  [[nodiscard]] std::string url_host() const;  // 127.0.0.1, [::1] (RFC 3986)
  [[nodiscard]] const Ipv4* v4() const { return std::get_if<Ipv4>(&value); }
  [[nodiscard]] const Ipv6* v6() const { return std::get_if<Ipv6>(&value); }
  [[nodiscard]] bool is_any() const;
  [[nodiscard]] bool is_loopback() const;
  friend auto operator<=>(const Ip&, const Ip&) = default;
};

}  // namespace pcompose::netns
