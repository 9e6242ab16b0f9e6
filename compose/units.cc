#include "compose/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

using Nanoseconds = std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  double nanoseconds;
};

// Longer names first: "ms" before "m".
constexpr std::array kUnits{Unit{"ns", 1},     Unit{"us", 1e3},        Unit{"\xC2\xB5s", 1e3},
                            Unit{"ms", 1e6},   Unit{"s", 1e9},         Unit{"m", 60e9},
                            Unit{"h", 3600e9}, Unit{"d", 24 * 3600e9}, Unit{"w", 7 * 24 * 3600e9}};

// Digits with at most one point, at least one digit. Taken off `text`.
std::optional<double> take_number(std::string_view& text) {
  size_t size = 0;
  while (size < text.size() && ((text[size] >= '0' && text[size] <= '9') || text[size] == '.'))
    ++size;
  double value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + size, value, std::chars_format::fixed);
  if (size == 0 || error != std::errc() || end != text.data() + size) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

const Unit* take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return &unit;
  }
  return nullptr;
}

// `count` in units of 10^-`digits`, without trailing zeros: 1500, 3 -> "1.5".
std::string decimal(int64_t count, int digits) {
  int64_t scale = 1;
  for (int i = 0; i < digits; ++i) scale *= 10;
  std::string out = std::to_string(count / scale);
  if (count % scale == 0) return out;
  std::string fraction = fmt::format("{:0{}}", count % scale, digits);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return out + "." + fraction;
}

}  // namespace

std::optional<Nanoseconds> parse_duration(std::string_view text) {
  if (text == "0") return Nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    auto number = take_number(text);
    const Unit* unit = number ? take_unit(text) : nullptr;
    if (unit == nullptr) return std::nullopt;
    total += *number * unit->nanoseconds;
  }
  if (!(total < 9.2e18)) return std::nullopt;
  return Nanoseconds(std::llround(total));
}

std::string duration_text(Nanoseconds duration) {
  int64_t n = duration.count();
  if (n == 0) return "0s";
  if (n < 1000) return fmt::format("{}ns", n);
  if (n < 1000000) return decimal(n, 3) + "\xC2\xB5s";
  if (n < 1000000000) return decimal(n, 6) + "ms";
  int64_t minutes = n / 60000000000;
  std::string seconds = decimal(n % 60000000000, 9) + "s";
  if (minutes == 0) return seconds;
  if (minutes < 60) return fmt::format("{}m{}", minutes, seconds);
  return fmt::format("{}h{}m{}", minutes / 60, minutes % 60, seconds);
}

std::optional<int64_t> parse_bytes(std::string_view text) {
  if (text == "-1") return -1;
  // Whole numbers go past the double, which has only 53 bits.
  int64_t whole = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) {
    return whole < 0 ? std::nullopt : std::optional(whole);
  }
  auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.starts_with(' ')) text.remove_prefix(1);
  double scale = 1;
  constexpr std::string_view kScales = "kmgtp";
  if (!text.empty()) {
    size_t index = kScales.find(static_cast<char>(text.front() | 0x20));
    if (index != std::string_view::npos) {
      for (size_t i = 0; i <= index; ++i) scale *= 1024;
      text.remove_prefix(1);
      if (text.starts_with('i') || text.starts_with('I')) text.remove_prefix(1);
    }
  }
  if (!text.empty() && text != "b" && text != "B") return std::nullopt;
  double bytes = *number * scale;
  if (!(bytes < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(bytes);
}

}  // namespace pcompose::compose
