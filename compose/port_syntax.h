// The short form of a port: "127.0.0.1:8000-8001:80-81/udp".
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pcompose::compose {

struct PortSpec {
  std::string host_ip;    // "" where none is written
  std::string published;  // "", "8000", or "8000-8010" for any free one of these
  uint16_t target = 0;
  std::string protocol = "tcp";
};

using PortRange = std::pair<uint16_t, uint16_t>;

// One element a container port. The error says which part is wrong.
std::expected<std::vector<PortSpec>, std::string> parse_port(std::string_view text);
// "80" or "80-90". nullopt where it is none, is 0 or above 65535, or runs backwards.
std::optional<PortRange> parse_port_range(std::string_view text);
bool is_ip_address(const std::string& text);

}  // namespace pcompose::compose
