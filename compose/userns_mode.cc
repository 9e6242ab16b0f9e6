#include "compose/userns_mode.h"

#include <charconv>

namespace pcompose::compose {
namespace {

std::optional<uint32_t> number_of(std::string_view text) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The last one is no id: chown(2).
  if (error != std::errc() || end != text.data() + text.size() || value == UINT32_MAX)
    return std::nullopt;
  return value;
}

bool take_option(UsernsMode& mode, std::string_view option) {
  size_t equals = option.find('=');
  if (equals == std::string_view::npos) return false;
  std::string_view key = option.substr(0, equals);
  auto value = number_of(option.substr(equals + 1));
  if (!value) return false;
  bool keeps = mode.kind == UsernsMode::Kind::keep_id;
  if (!keeps && key == "size" && *value > 0) {
    mode.size = *value;
  } else if (keeps && key == "uid") {
    mode.uid = value;
  } else if (keeps && key == "gid") {
    mode.gid = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<UsernsMode> parse_userns_mode(std::string_view text) {
  UsernsMode mode;
  std::string_view word = text.substr(0, text.find(':'));
  std::string_view options = text.substr(word.size());
  if (word == "auto") {
    mode.kind = UsernsMode::Kind::automatic;
  } else if (word == "keep-id") {
    mode.kind = UsernsMode::Kind::keep_id;
  } else {
    return text.empty() || text == "host" ? std::optional(mode) : std::nullopt;
  }
  while (!options.empty()) {
    options.remove_prefix(1);  // ':' or ','
    std::string_view option = options.substr(0, options.find(','));
    if (!take_option(mode, option)) return std::nullopt;
    options.remove_prefix(option.size());
  }
  return mode;
}

}  // namespace pcompose::compose
