#include "engine/rootless/subordinate_ids.h"

#include <charconv>
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

struct Line {
  std::string user;
  IdRange range;
};

std::optional<Line> parse(const std::string& line) {
  std::istringstream fields(line);
  std::string name, start, count;
  std::getline(fields, name, ':');
  std::getline(fields, start, ':');
  std::getline(fields, count, ':');
  auto first = number(start), size = number(count);
  if (!first || !size || *size == 0) return std::nullopt;
  return Line{name, {*first, *size}};
}

}  // namespace

std::optional<IdRange> first_range(const std::string& text, const std::string& user) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (auto parsed = parse(line); parsed && parsed->user == user) return parsed->range;
  }
  return std::nullopt;
}

std::vector<IdMapping> id_map(const std::string& text, const std::string& user, uint32_t user_id,
                              uint32_t id) {
  std::vector<IdMapping> out{{.container_id = 0, .host_id = id, .size = 1}};
  uint64_t next = 1;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    auto parsed = parse(line);
    if (!parsed) continue;
    auto [first, size] = parsed->range;
    bool ours = parsed->user == user || parsed->user == std::to_string(user_id);
    if (!ours || next + size > UINT32_MAX) continue;
    out.push_back({.container_id = static_cast<uint32_t>(next), .host_id = first, .size = size});
    next += size;
  }
  return out;
}

}  // namespace pcompose::engine::rootless
