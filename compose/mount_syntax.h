// The short form of a mount: "source:/target:ro,z".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pcompose::compose {

struct MountSpec {
  std::string source;  // "" = an anonymous volume
  std::string target;
  std::vector<std::string> options;
  [[nodiscard]] bool bind() const;
};

// The error says which part is missing.
std::expected<MountSpec, std::string> parse_mount(std::string_view text);

// True for what is a path rather than a volume's name: begins with ".", "/", "~", "\" or a drive
// letter.
bool is_path(std::string_view source);

}  // namespace pcompose::compose
