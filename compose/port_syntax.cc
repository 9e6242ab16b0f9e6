#include "compose/port_syntax.h"

#include <arpa/inet.h>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

std::optional<uint16_t> parse_number(std::string_view text) {
  uint16_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

struct Parts {
  std::string host_ip;
  std::string_view published;
  std::string_view target;
  bool bare_ipv6 = false;
};

// All but the last two colon parts are the address. An IPv6 one stands in brackets.
Parts split(std::string_view text) {
  Parts parts;
  size_t last = text.rfind(':');
  if (last == std::string_view::npos) {
    parts.target = text;
    return parts;
  }
  parts.target = text.substr(last + 1);
  std::string_view rest = text.substr(0, last);
  size_t middle = rest.rfind(':');
  if (middle == std::string_view::npos || rest.ends_with(']')) {
    parts.published = rest;
    return parts;
  }
  parts.published = rest.substr(middle + 1);
  std::string_view ip = rest.substr(0, middle);
  parts.bare_ipv6 = ip.find(':') != std::string_view::npos && !ip.starts_with('[');
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  parts.host_ip = std::string(ip);
  return parts;
}

std::string range_text(PortRange range) {
  if (range.first == range.second) return std::to_string(range.first);
  return fmt::format("{}-{}", range.first, range.second);
}

}  // namespace

std::optional<PortRange> parse_port_range(std::string_view text) {
  size_t dash = text.find('-');
  auto first = parse_number(text.substr(0, dash));
  auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

bool is_ip_address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> buffer{};
  return inet_pton(AF_INET, text.c_str(), buffer.data()) == 1 ||
         inet_pton(AF_INET6, text.c_str(), buffer.data()) == 1;
}

std::expected<std::vector<PortSpec>, std::string> parse_port(std::string_view text) {
  std::string protocol = "tcp";
  std::string_view ports = text;
  if (size_t slash = text.rfind('/'); slash != std::string_view::npos) {
    protocol = std::string(text.substr(slash + 1));
    for (char& c : protocol) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    ports = text.substr(0, slash);
  }
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
    return std::unexpected(
        fmt::format("\"{}\": the protocol \"{}\" is none of tcp, udp, sctp", text, protocol));
  }
  Parts parts = split(ports);
  if (parts.bare_ipv6 && is_ip_address(parts.host_ip)) {
    return std::unexpected(fmt::format("\"{}\": an IPv6 address stands in brackets: [{}]:{}:{}",
                                       text, parts.host_ip, parts.published, parts.target));
  }
  if (!parts.host_ip.empty() && !is_ip_address(parts.host_ip)) {
    return std::unexpected(fmt::format("\"{}\": \"{}\" is no IP address", text, parts.host_ip));
  }
  auto target = parse_port_range(parts.target);
  if (!target) {
    return std::unexpected(fmt::format(
        "\"{}\": \"{}\" is no container port (1 to 65535, or a range)", text, parts.target));
  }
  // Port 0 of the host is any that is free.
  bool any = parts.published.empty() || parts.published == "0";
  auto published = any ? std::nullopt : parse_port_range(parts.published);
  if (!published && !any) {
    return std::unexpected(fmt::format("\"{}\": \"{}\" is no host port (1 to 65535, or a range)",
                                       text, parts.published));
  }
  int targets = target->second - target->first;
  int sources = published ? published->second - published->first : targets;
  if (targets != sources && targets != 0) {
    return std::unexpected(
        fmt::format("\"{}\": {} host ports ({}) cannot meet {} container ports ({})", text,
                    sources + 1, range_text(*published), targets + 1, range_text(*target)));
  }
  std::vector<PortSpec> out;
  for (int i = 0; i <= targets; ++i) {
    PortSpec spec{parts.host_ip, "", static_cast<uint16_t>(target->first + i), protocol};
    if (published) {
      spec.published = targets == 0 ? range_text(*published) : std::to_string(published->first + i);
    } else {
      spec.published = std::string(parts.published);
    }
    out.push_back(std::move(spec));
  }
  return out;
}

}  // namespace pcompose::compose
