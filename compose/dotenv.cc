#include "compose/dotenv.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::compose {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

bool name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '-' || c == '[' || c == ']';
}

std::string_view trim_left(std::string_view text) {
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  return text;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string without_carriage_returns(std::string_view text) {
  if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

char simple_escape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
      return '\\';
    case '"':
      return '"';
    default:
      return '\0';
  }
}

// \0 and up to three octal digits. Returns how many characters after the backslash it took, 0 for
// none.
size_t octal_escape(std::string_view rest, std::string& out) {
  if (!rest.starts_with('0')) return 0;
  size_t size = 1;
  int value = 0;
  while (size < rest.size() && size < 4 && rest[size] >= '0' && rest[size] <= '7') {
    value = value * 8 + (rest[size++] - '0');
  }
  if (size == 1 || value > 255) return 0;
  out += static_cast<char>(value);
  return size;
}

// The text between double quotes, escapes resolved; \$ becomes $$, which interpolation turns into
// $.
std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[i + 1] == '$') {
      out += "$$";
      ++i;
    } else if (char c = simple_escape(text[i + 1]); c != '\0') {
      out += c;
      ++i;
    } else if (size_t taken = octal_escape(text.substr(i + 1), out); taken > 0) {
      i += taken;
    } else {
      out += text[i];  // \x, \u and the rest stay as they are
    }
  }
  return out;
}

class DotenvParser {
 public:
  DotenvParser(std::string text, const std::string& file, const Lookup& lookup)
      : text_(std::move(text)), rest_(text_), file_(file), lookup_(lookup) {}

  std::vector<Variable> run() {
    while (skip_to_statement()) statement();
    return std::move(variables_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ComposeError(
        Diagnostic{{file_, line_, 1}, "", fmt::format("line {}: {}", line_, message)});
  }

  std::string_view take(size_t size) {
    std::string_view out = rest_.substr(0, size);
    line_ += static_cast<int>(std::ranges::count(out, '\n'));
    rest_.remove_prefix(out.size());
    return out;
  }

  std::string_view take_line() { return take(std::min(rest_.find('\n'), rest_.size())); }

  bool skip_to_statement() {
    while (!rest_.empty()) {
      if (blank(rest_.front()) || rest_.front() == '\n') {
        take(1);
      } else if (rest_.front() == '#') {
        take_line();
      } else {
        return true;
      }
    }
    return false;
  }

  void statement() {
    if (rest_.starts_with("export") && rest_.size() > 6 && blank(rest_[6])) {
      take(6);
      rest_ = trim_left(rest_);
    }
    int line = line_;
    size_t size = std::min(rest_.find_first_of("=:\n"), rest_.size());
    bool bare = size == rest_.size() || rest_[size] == '\n';
    std::string_view written = bare ? take(size).substr(0, size) : take(size);
    if (bare) written = written.substr(0, written.find('#'));
    std::string name(trim_right(written));
    check_name(name);
    std::optional<std::string> result;
    if (bare) {
      result = lookup_(name);
    } else {
      take(1);
      rest_ = trim_left(rest_);
      result = value();
    }
    if (result) known_[name] = *result;
    variables_.push_back({std::move(name), std::move(result), line});
  }

  void check_name(const std::string& name) const {
    if (name.empty()) fail("a variable name is missing before =");
    if (std::ranges::any_of(name, blank)) {
      fail(fmt::format("key cannot contain a space: \"{}\"; write NAME=VALUE", name));
    }
    auto bad = std::ranges::find_if_not(name, name_char);
    if (bad != name.end())
      fail(fmt::format("unexpected character '{}' in the name \"{}\"", *bad, name));
  }

  std::string value() {
    if (rest_.starts_with('\'') || rest_.starts_with('"')) return quoted(rest_.front());
    std::string_view line = take_line();
    size_t comment = line.find(" #");
    return expand(std::string(trim_right(line.substr(0, comment))));
  }

  std::string quoted(char quote) {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) {
      fail(fmt::format("unterminated quoted value {}; close it with {}",
                       rest_.substr(0, std::min(rest_.find('\n'), rest_.size())), quote));
    }
    std::string_view inner = rest_.substr(1, end - 1);
    std::string out = quote == '"' ? expand(unescape(inner)) : literal(inner);
    take(end + 1);
    std::string_view after = trim_left(take_line());
    if (!after.empty() && after.front() != '#') {
      fail(fmt::format("unexpected text after the closing quote: \"{}\"", after));
    }
    return out;
  }

  static std::string literal(std::string_view inner) {
    std::string out;
    for (size_t i = 0; i < inner.size(); ++i) {
      if (inner[i] == '\\' && i + 1 < inner.size() && inner[i + 1] == '\'') continue;
      out += inner[i];
    }
    return out;
  }

  std::string expand(const std::string& text) const {
    auto both = [this](std::string_view name) -> std::optional<std::string> {
      if (auto value = lookup_(name)) return value;
      auto it = known_.find(name);
      return it == known_.end() ? std::nullopt : std::optional(it->second);
    };
    auto result = interpolate(text, both);
    if (!result) fail(result.error());
    return *result;
  }

  std::string text_;
  std::string_view rest_;
  const std::string& file_;
  const Lookup& lookup_;
  int line_ = 1;
  std::vector<Variable> variables_;
  std::map<std::string, std::string, std::less<>> known_;
};

}  // namespace

std::vector<Variable> parse_dotenv(std::string_view text, const std::string& shown_as,
                                   const Lookup& lookup) {
  return DotenvParser(without_carriage_returns(text), shown_as, lookup).run();
}

std::vector<Variable> parse_raw_env(std::string_view text, const std::string& shown_as,
                                    const Lookup& lookup) {
  if (text.starts_with(kBom)) text.remove_prefix(kBom.size());
  std::vector<Variable> out;
  for (int number = 1; !text.empty(); ++number) {
    size_t size = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    line = trim_left(line);
    if (line.empty() || line.front() == '#') continue;
    size_t equals = line.find('=');
    std::string name(line.substr(0, equals));
    if (name.empty() || std::ranges::any_of(name, blank)) {
      throw ComposeError(Diagnostic{
          {shown_as, number, 1},
          "",
          fmt::format("line {}: \"{}\" is no variable name; write NAME=VALUE", number, name)});
    }
    auto value = equals == std::string_view::npos
                     ? lookup(name)
                     : std::optional(std::string(line.substr(equals + 1)));
    out.push_back({std::move(name), std::move(value), number});
  }
  return out;
}

}  // namespace pcompose::compose
