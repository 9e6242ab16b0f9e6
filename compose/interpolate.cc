#include "compose/interpolate.h"

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

constexpr int kMaxNesting = 50;

bool name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool name_char(char c) { return name_start(c) || (c >= '0' && c <= '9'); }

std::string_view name_at(std::string_view text) {
  if (text.empty() || !name_start(text.front())) return {};
  size_t size = 1;
  while (size < text.size() && name_char(text[size])) ++size;
  return text.substr(0, size);
}

// The size of what stands before the brace that closes an already open one; npos where none does.
size_t closing_brace(std::string_view text) {
  int open = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') ++open;
    if (text[i] == '}' && --open == 0) return i;
  }
  return std::string_view::npos;
}

using Result = std::expected<std::string, std::string>;

class Interpolation {
 public:
  Interpolation(const Lookup& lookup, const OnUnset& on_unset)
      : lookup_(lookup), on_unset_(on_unset) {}

  Result expand(std::string_view text, int depth) {
    if (depth > kMaxNesting) return std::unexpected("variables are nested too deeply");
    std::string out;
    while (true) {
      size_t dollar = text.find('$');
      out += text.substr(0, dollar);
      if (dollar == std::string_view::npos) return out;
      text.remove_prefix(dollar + 1);
      auto value = after_dollar(text, depth);
      if (!value) return value;
      out += *value;
    }
  }

 private:
  // Takes what belongs to the variable off `text`.
  Result after_dollar(std::string_view& text, int depth) {
    if (text.starts_with('$')) {
      text.remove_prefix(1);
      return "$";
    }
    if (std::string_view name = name_at(text); !name.empty()) {
      text.remove_prefix(name.size());
      return value_or_empty(name);
    }
    if (!text.starts_with('{')) return "$";
    size_t size = closing_brace(text.substr(1));
    if (size == std::string_view::npos) {
      return std::unexpected(
          fmt::format("\"${}\" has no closing brace; write $$ for a dollar sign", text));
    }
    std::string_view inner = text.substr(1, size);
    text.remove_prefix(size + 2);
    return braced(inner, depth);
  }

  Result braced(std::string_view inner, int depth) {
    std::string_view name = name_at(inner);
    std::string_view rest = inner.substr(name.size());
    if (name.empty()) return bad(inner);
    if (rest.empty()) return value_or_empty(name);
    bool empty_counts = rest.starts_with(':');  // ":-" takes an empty value for an unset one
    if (empty_counts) rest.remove_prefix(1);
    if (rest.empty()) return bad(inner);
    char op = rest.front();
    rest.remove_prefix(1);
    auto value = lookup_(name);
    bool present = value && !(empty_counts && value->empty());
    switch (op) {
      case '-':
        return present ? Result(*value) : expand(rest, depth + 1);
      case '+':
        return present ? expand(rest, depth + 1) : Result("");
      case '?':
        return present ? Result(*value) : missing(name, rest, depth);
      default:
        return bad(inner);
    }
  }

  Result missing(std::string_view name, std::string_view text, int depth) {
    auto reason = expand(text, depth + 1);
    if (!reason) return reason;
    return std::unexpected(
        fmt::format("required variable {} is missing a value{}{}", name,
                    reason->empty() ? "; set it in the environment or in .env" : ": ", *reason));
  }

  static Result bad(std::string_view inner) {
    return std::unexpected(fmt::format(
        "invalid interpolation \"${{{}}}\"; the forms are ${{NAME}}, ${{NAME:-default}}, "
        "${{NAME:?error}} and ${{NAME:+replacement}}, and $$ is a dollar sign",
        inner));
  }

  std::string value_or_empty(std::string_view name) {
    if (auto value = lookup_(name)) return *value;
    if (on_unset_) on_unset_(name);
    return "";
  }

  const Lookup& lookup_;
  const OnUnset& on_unset_;
};

}  // namespace

std::expected<std::string, std::string> interpolate(std::string_view text, const Lookup& lookup,
                                                    const OnUnset& on_unset) {
  if (text.find('$') == std::string_view::npos) return std::string(text);
  return Interpolation(lookup, on_unset).expand(text, 0);
}

}  // namespace pcompose::compose
