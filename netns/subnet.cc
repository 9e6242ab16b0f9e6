#include "netns/subnet.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::netns {
namespace {

// A whole decimal number without a sign or leading zeros, at most `limit`.
std::optional<uint32_t> number(std::string_view text, uint32_t limit) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text.front() == '0')) return {};
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > limit) return {};
  return value;
}

std::optional<uint8_t> hex_byte(std::string_view text) {
  if (text.size() != 2) return {};
  uint8_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + 2, value, 16);
  if (error != std::errc() || end != text.data() + 2) return {};
  return value;
}

uint32_t mask_of(int length) { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }

std::optional<Prefix> free_in(const Pool& pool, std::span<const Prefix> taken) {
  uint64_t size = uint64_t{1} << (32 - pool.length);
  uint64_t end = uint64_t{pool.range.last().value} + 1;
  for (uint64_t base = pool.range.base.value; base + size <= end;) {
    Prefix candidate{Ipv4{static_cast<uint32_t>(base)}, pool.length};
    auto hit = std::ranges::find_if(
        taken, [&](const Prefix& p) { return p.length > 0 && p.overlaps(candidate); });
    if (hit == taken.end()) return candidate;
    // Past what is in the way, in steps of ours: a /8 would cost thousands of turns otherwise.
    uint64_t past = uint64_t{hit->last().value} + 1;
    base = std::max(base + size, (past + size - 1) / size * size);
  }
  return {};
}

}  // namespace

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
  uint32_t value = 0;
  for (int part = 0; part < 4; ++part) {
    size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (part == 3)) return {};
    auto byte = number(text.substr(0, dot), 255);
    if (!byte) return {};
    value = value << 8U | *byte;
    text.remove_prefix(part == 3 ? text.size() : dot + 1);
  }
  return Ipv4{value};
}

std::string Ipv4::str() const {
  return fmt::format("{}.{}.{}.{}", value >> 24U, value >> 16U & 255U, value >> 8U & 255U,
                     value & 255U);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  auto address = Ipv4::parse(text.substr(0, slash));
  auto length = number(text.substr(slash + 1), 32);
  if (!address || !length) return {};
  auto bits = static_cast<int>(*length);
  return Prefix{Ipv4{address->value & mask_of(bits)}, bits};
}

std::string Prefix::str() const { return fmt::format("{}/{}", base.str(), length); }

uint32_t Prefix::mask() const { return mask_of(length); }

Ipv4 Prefix::last() const { return Ipv4{base.value | ~mask()}; }

bool Prefix::contains(Ipv4 address) const { return (address.value & mask()) == base.value; }

bool Prefix::overlaps(const Prefix& other) const {
  return contains(other.base) || other.contains(base);
}

std::optional<Mac> Mac::parse(std::string_view text) {
  Mac out;
  if (text.size() != 17) return {};
  for (size_t i = 0; i < 6; ++i) {
    auto byte = hex_byte(text.substr(i * 3, 2));
    if (!byte || (i < 5 && text[i * 3 + 2] != ':')) return {};
    out.bytes[i] = *byte;
  }
  if ((out.bytes[0] & 1U) != 0) return {};  // a multicast address
  return out;
}

Mac Mac::of(Ipv4 address) {
  auto byte = [&](unsigned shift) { return static_cast<uint8_t>(address.value >> shift); };
  return Mac{{0x02, 0x70, byte(24), byte(16), byte(8), byte(0)}};
}

std::string Mac::str() const {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2],
                     bytes[3], bytes[4], bytes[5]);
}

std::span<const Pool> default_pools() {
  static const std::array<Pool, 2> pools{{
      {{Ipv4{0x0a700000}, 12}, 22},
      {{Ipv4{0xac1c0000}, 14}, 22},
  }};
  return pools;
}

Prefix pick_subnet(std::span<const Pool> pools, std::span<const Prefix> taken) {
  for (const Pool& pool : pools) {
    if (auto found = free_in(pool, taken)) return *found;
  }
  throw Error("no subnet is free for another network")
      .hint("remove unused networks, or give the network a subnet of its own in the file");
}

std::optional<Ipv4> pick_between(Ipv4 low, Ipv4 high, const std::set<Ipv4>& taken, Ipv4 after) {
  if (low > high) return {};
  uint32_t count = high.value - low.value + 1;
  uint32_t start = after < low || after >= high ? 0 : after.value - low.value + 1;
  for (uint32_t i = 0; i < count; ++i) {
    Ipv4 candidate{low.value + (start + i) % count};
    if (!taken.contains(candidate)) return candidate;
  }
  return {};
}

std::optional<Ipv4> pick_address(const Prefix& subnet, const std::set<Ipv4>& taken, Ipv4 after) {
  if (subnet.length > 30) return {};
  return pick_between(subnet.first(), Ipv4{subnet.last().value - 1}, taken, after);
}

}  // namespace pcompose::netns
