#include "compose/interpolate.h"

#include <fmt/format.h>

#include "compose/variables.h"

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

// For messages: a text may be megabytes long.
std::string excerpt(std::string_view text) {
  constexpr size_t kLongest = 80;
  return std::string(text.substr(0, kLongest)) + (text.size() > kLongest ? "…" : "");
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
          fmt::format("\"${}\" has no closing brace; write $$ for a dollar sign", excerpt(text)));
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
        excerpt(inner)));
  }

  std::string value_or_empty(std::string_view name) {
    if (auto value = lookup_(name)) return *value;
    if (on_unset_) on_unset_(name);
    return "";
  }

  const Lookup& lookup_;
  const OnUnset& on_unset_;
};

void collect_braced(std::string_view inner, TemplateVariables& out) {
  std::string_view name = name_at(inner);
  if (name.empty()) return;
  TemplateVariable& variable = out[std::string(name)];
  std::string_view rest = inner.substr(name.size());
  if (rest.starts_with(':')) rest.remove_prefix(1);
  if (rest.empty()) return;
  std::string_view value = rest.substr(1);
  if (rest.front() == '?') variable.required = true;
  if (rest.front() == '-' && variable.default_value.empty()) variable.default_value = value;
  if (rest.front() == '+' && variable.presence_value.empty()) variable.presence_value = value;
  collect_variables(value, out);
}

}  // namespace

void collect_variables(std::string_view text, TemplateVariables& out) {
  for (size_t dollar = text.find('$'); dollar != std::string_view::npos; dollar = text.find('$')) {
    text.remove_prefix(dollar + 1);
    size_t size = text.starts_with('{') ? closing_brace(text.substr(1)) : std::string_view::npos;
    if (text.starts_with('$')) {
      text.remove_prefix(1);
    } else if (size != std::string_view::npos) {
      collect_braced(text.substr(1, size), out);
      text.remove_prefix(size + 2);
    } else if (std::string_view name = name_at(text); !name.empty()) {
      out.try_emplace(std::string(name));
    }
  }
}

void collect_variables(const Node& root, TemplateVariables& out) {
  if (root.is(Kind::string)) collect_variables(root.text, out);
  for (const Node& item : root.items) collect_variables(item, out);
  for (const Entry& entry : root.entries) collect_variables(entry.value, out);
}

std::expected<std::string, std::string> interpolate(std::string_view text, const Lookup& lookup,
                                                    const OnUnset& on_unset) {
  if (text.find('$') == std::string_view::npos) return std::string(text);
  return Interpolation(lookup, on_unset).expand(text, 0);
}

}  // namespace pcompose::compose
