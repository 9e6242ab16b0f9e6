#include "engine/rootless/subordinate_ids.h"

#include <charconv>
#include <optional>
#include <sstream>

namespace pcompose::engine::rootless {
namespace {

std::optional<uint32_t> number(const std::string& text) {
  uint32_t out = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc() || stop != end) return std::nullopt;
  return out;
}

}  // namespace

std::vector<IdMapping> id_map(const std::string& text, const std::string& user, uint32_t user_id,
                              uint32_t id) {
  std::vector<IdMapping> out{{.container_id = 0, .host_id = id, .size = 1}};
  uint64_t next = 1;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string name, start, count;
    std::getline(fields, name, ':');
    std::getline(fields, start, ':');
    std::getline(fields, count, ':');
    auto first = number(start), size = number(count);
    bool ours = name == user || name == std::to_string(user_id);
    if (!ours || !first || !size || *size == 0 || next + *size > UINT32_MAX) continue;
    out.push_back({.container_id = static_cast<uint32_t>(next), .host_id = *first, .size = *size});
    next += *size;
  }
  return out;
}

}  // namespace pcompose::engine::rootless
