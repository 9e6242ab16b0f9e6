#include "compose/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

// Sign and base taken off. `digits` holds no underscores.
struct IntegerText {
  bool negative = false;
  int base = 10;
  std::string digits;
};

std::optional<IntegerText> split_integer(std::string_view text) {
  IntegerText out;
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) {
    out.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  if (text.size() > 2 && text[0] == '0' && !digit(text[1])) {
    out.base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : text[1] == 'b' ? 2 : 0;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    out.base = 8;
    text.remove_prefix(1);
  }
  if (out.base == 0 || text.empty() || text.front() == '_') return std::nullopt;
  for (char c : text) {
    if (c != '_') out.digits += c;
  }
  return out;
}

std::optional<uint64_t> magnitude(const IntegerText& parts) {
  uint64_t value = 0;
  const char* end = parts.digits.data() + parts.digits.size();
  auto [ptr, error] = std::from_chars(parts.digits.data(), end, value, parts.base);
  if (error != std::errc() || ptr != end) return std::nullopt;
  return value;
}

// [+-] digits [. digits] [e [+-] digits], with a digit on at least one side of the point.
bool looks_real(std::string_view text) {
  size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  size_t digits = 0;
  auto run = [&] {
    size_t n = 0;
    for (; i < text.size() && (digit(text[i]) || (n > 0 && text[i] == '_')); ++i) ++n;
    return n;
  };
  digits += run();
  if (i < text.size() && text[i] == '.') {
    ++i;
    digits += run();
  }
  if (digits == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (run() == 0) return false;
  }
  return i == text.size();
}

bool looks_like_date(std::string_view t) {
  if (t.size() != 10) return false;
  for (size_t i = 0; i < t.size(); ++i) {
    if (i == 4 || i == 7 ? t[i] != '-' : !digit(t[i])) return false;
  }
  int month = (t[5] - '0') * 10 + (t[6] - '0');
  int day = (t[8] - '0') * 10 + (t[9] - '0');
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

}  // namespace

Kind plain_kind(std::string_view text) {
  if (text.empty() || one_of(text, {"~", "null", "Null", "NULL"})) return Kind::null;
  if (one_of(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return Kind::boolean;
  char first = text.front();
  if (!digit(first) && first != '-' && first != '+' && first != '.') return Kind::string;
  if (auto parts = split_integer(text); parts && magnitude(*parts)) return Kind::integer;
  if (parse_real(text)) return Kind::real;
  return Kind::string;
}

std::optional<int64_t> parse_integer(std::string_view text) {
  auto parts = split_integer(text);
  auto value = parts ? magnitude(*parts) : std::nullopt;
  constexpr auto limit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!value || *value > limit) return std::nullopt;
  auto plain = static_cast<int64_t>(*value);
  return parts->negative ? -plain : plain;
}

std::optional<double> parse_real(std::string_view text) {
  if (one_of(text, {".inf", ".Inf", ".INF", "+.inf"})) return INFINITY;
  if (one_of(text, {"-.inf", "-.Inf", "-.INF"})) return -INFINITY;
  if (one_of(text, {".nan", ".NaN", ".NAN"})) return NAN;
  if (auto integer = parse_integer(text)) return static_cast<double>(*integer);
  if (!looks_real(text)) return std::nullopt;
  std::string digits;
  std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c != '_'; });
  size_t skip = digits.front() == '+' ? 1 : 0;  // from_chars takes no plus sign
  double value = 0;
  auto [ptr, error] = std::from_chars(digits.data() + skip, digits.data() + digits.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  double size = std::fabs(value);
  bool exponent = size != 0 && (size < 1e-4 || size >= 1e21);
  std::array<char, 64> buffer{};
  auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  return error == std::errc() ? std::string(buffer.data(), end) : fmt::format("{}", value);
}

std::string scalar_text(const Node& node) {
  switch (node.kind) {
    case Kind::boolean:
      return node.text.front() == 't' || node.text.front() == 'T' ? "true" : "false";
    case Kind::integer: {
      auto parts = split_integer(node.text);
      auto value = parts ? magnitude(*parts) : std::nullopt;
      if (!value) return node.text;
      return (parts->negative && *value != 0 ? "-" : "") + std::to_string(*value);
    }
    case Kind::real: {
      auto value = parse_real(node.text);
      return value ? real_text(*value) : node.text;
    }
    case Kind::string:
      return node.plain && looks_like_date(node.text) ? node.text + " 00:00:00 +0000 UTC"
                                                      : node.text;
    default:
      return "";
  }
}

}  // namespace pcompose::compose
