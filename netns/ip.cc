#include "netns/ip.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

#include <fmt/format.h>

#include "base/sha256.h"

namespace pcompose::netns {
namespace {

constexpr int kBits = 128;

Ipv6 masked(Ipv6 address, int length) {
  for (int i = 0; i < 16; ++i) {
    int keep = std::clamp(length - i * 8, 0, 8);
    auto& byte = address.bytes.at(static_cast<size_t>(i));
    byte = static_cast<uint8_t>(byte & (0xff00U >> static_cast<unsigned>(keep)));
  }
  return address;
}

}  // namespace

std::optional<Ipv6> Ipv6::parse(std::string_view text) {
  Ipv6 out;
  if (::inet_pton(AF_INET6, std::string(text).c_str(), out.bytes.data()) != 1) return {};
  return out;
}

std::string Ipv6::str() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

bool Ipv6::is_loopback() const {
  Ipv6 one;
  one.bytes[15] = 1;
  return *this == one;
}

bool Ipv6::is_link_local() const { return bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80; }

std::optional<Prefix6> Prefix6::parse(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  auto address = Ipv6::parse(text.substr(0, slash));
  std::string_view digits = text.substr(slash + 1);
  int bits = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!address || !whole || bits < 0 || bits > kBits) return {};
  return Prefix6{masked(*address, bits), bits};
}

std::string Prefix6::str() const { return fmt::format("{}/{}", base.str(), length); }

bool Prefix6::contains(const Ipv6& address) const { return masked(address, length) == base; }

bool Prefix6::overlaps(const Prefix6& other) const {
  return contains(other.base) || other.contains(base);
}

Ipv6 Prefix6::at(uint64_t number) const {
  Ipv6 out = base;
  for (size_t i = 0; i < 8; ++i) {
    out.bytes.at(15 - i) |= static_cast<uint8_t>(number >> (8 * i));
  }
  return out;
}

bool Prefix6::has_room_for(uint64_t number) const {
  int host_bits = kBits - length;
  return host_bits >= 64 || number >> static_cast<unsigned>(host_bits) == 0;
}

Prefix6 unique_local_subnet(std::string_view name, unsigned attempt) {
  std::string digest = sha256_hex(fmt::format("{}#{}", name, attempt));
  // fd, 40 bits of global id, 16 of subnet id: both from the name.
  std::string text = "fd" + digest.substr(0, 2);
  for (size_t i = 0; i < 3; ++i) text += ":" + digest.substr(2 + i * 4, 4);
  return *Prefix6::parse(text + "::/64");
}

Mac Mac::of(const Ipv6& address) {
  const auto& b = address.bytes;
  return Mac{{0x02, 0x71, b[12], b[13], b[14], b[15]}};
}

std::optional<Ip> Ip::parse(std::string_view text) {
  if (auto v4 = Ipv4::parse(text)) return Ip(*v4);
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  if (auto v6 = Ipv6::parse(text)) return Ip(*v6);
  return {};
}

std::string Ip::str() const {
  return std::visit([](const auto& address) { return address.str(); }, value);
}

std::string Ip::url_host() const { return v6() != nullptr ? "[" + str() + "]" : str(); }

bool Ip::is_any() const {
  return std::visit([](const auto& address) { return address.is_any(); }, value);
}

bool Ip::is_loopback() const {
  return std::visit([](const auto& address) { return address.is_loopback(); }, value);
}

}  // namespace pcompose::netns
