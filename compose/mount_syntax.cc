#include "compose/mount_syntax.h"

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Cut at colons, but not at the one of a drive letter ("C:\data", "d:/src").
std::vector<std::string> sections(std::string_view text) {
  std::vector<std::string> out(1);
  for (char c : text) {
    bool drive = c == ':' && out.back().size() == 1 && letter(out.back().front());
    if (c == ':' && !drive) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

}  // namespace

bool is_path(std::string_view source) {
  if (source.empty()) return false;
  if (std::string_view("./~\\").find(source.front()) != std::string_view::npos) return true;
  return source.size() > 1 && letter(source[0]) && source[1] == ':';
}

bool MountSpec::bind() const { return is_path(source); }

std::expected<MountSpec, std::string> parse_mount(std::string_view text) {
  if (text.empty()) return std::unexpected("is empty; write source:/target or /target");
  std::vector<std::string> parts = sections(text);
  if (text.size() <= 2) parts = {std::string(text)};
  for (const std::string& part : parts) {
    if (part.empty()) {
      return std::unexpected(
          fmt::format("\"{}\" has an empty section between colons; write source:/target", text));
    }
  }
  if (parts.size() > 3) return std::unexpected(fmt::format("\"{}\" has too many colons", text));
  MountSpec spec;
  if (parts.size() == 1) {
    spec.target = parts[0];
    return spec;
  }
  spec.source = parts[0];
  spec.target = parts[1];
  if (parts.size() == 3) {
    std::string_view rest = parts[2];
    while (!rest.empty()) {
      size_t comma = std::min(rest.find(','), rest.size());
      spec.options.emplace_back(rest.substr(0, comma));
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
  return spec;
}

}  // namespace pcompose::compose
