#include "cli/moment.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::cli {
namespace {

constexpr int64_t kNanosecondsOfASecond = 1'000'000'000;

// Digits after a dot as nanoseconds; moves `at` behind them.
int64_t take_fraction(const char*& at) {
  if (*at != '.') return 0;
  int64_t value = 0, unit = kNanosecondsOfASecond / 10;
  for (++at; *at >= '0' && *at <= '9'; ++at, unit /= 10) value += (*at - '0') * unit;
  return value;
}

std::optional<int64_t> unix_seconds(const std::string& text) {
  if (text.find_first_not_of("0123456789.") != std::string::npos) return std::nullopt;
  const char* at = text.c_str();
  char* end = nullptr;
  int64_t seconds = std::strtoll(at, &end, 10);
  if (end == at) return std::nullopt;
  at = end;
  int64_t fraction = take_fraction(at);
  if (*at != '\0' || seconds > INT64_MAX / kNanosecondsOfASecond - 1) return std::nullopt;
  return seconds * kNanosecondsOfASecond + fraction;
}

// Go's durations.
std::optional<int64_t> duration(const std::string& text) {
  double total = 0;
  const char* at = text.c_str();
  if (*at == '\0') return std::nullopt;
  while (*at != '\0') {
    char* end = nullptr;
    double value = std::strtod(at, &end);
    if (end == at || value < 0 || !std::isfinite(value)) return std::nullopt;
    at = end;
    auto unit = [&](const char* name, double ns) {
      size_t length = std::strlen(name);
      if (std::strncmp(at, name, length) != 0) return false;
      total += value * ns;
      at += length;
      return true;
    };
    bool known = unit("ns", 1) || unit("us", 1e3) || unit("ms", 1e6) || unit("s", 1e9) ||
                 unit("m", 6e10) || unit("h", 3.6e12);
    if (!known) return std::nullopt;
  }
  if (total > 9e18) return std::nullopt;
  return static_cast<int64_t>(total);
}

// What is left of a date: "", "Z", "+01:00". Minutes east of Greenwich; nullopt: local time.
bool zone(const char* at, std::optional<int>& minutes) {
  minutes.reset();
  if (*at == '\0') return true;
  if (std::strcmp(at, "Z") == 0) {
    minutes = 0;
    return true;
  }
  int hours = 0, rest = 0, taken = 0;
  char sign = '\0';
  if (std::sscanf(at, "%c%2d:%2d%n", &sign, &hours, &rest, &taken) != 3 || at[taken] != '\0')
    return false;
  if (sign != '+' && sign != '-') return false;
  minutes = (hours * 60 + rest) * (sign == '-' ? -1 : 1);
  return true;
}

std::optional<int64_t> date(const std::string& text) {
  tm parts{};
  const char* at = ::strptime(text.c_str(), "%Y-%m-%d", &parts);
  if (at == nullptr) return std::nullopt;
  int64_t fraction = 0;
  if (*at == 'T' || *at == ' ') {
    const char* behind = ::strptime(at + 1, "%H:%M:%S", &parts);
    if (behind == nullptr) behind = ::strptime(at + 1, "%H:%M", &parts);
    if (behind == nullptr) return std::nullopt;
    at = behind;
    fraction = take_fraction(at);
  }
  std::optional<int> minutes;
  if (!zone(at, minutes)) return std::nullopt;
  parts.tm_isdst = -1;
  int64_t seconds = minutes ? ::timegm(&parts) - 60 * *minutes : ::mktime(&parts);
  return seconds * kNanosecondsOfASecond + fraction;
}

}  // namespace

int64_t parse_moment(const std::string& text, const std::string& option, int64_t now) {
  if (auto seconds = unix_seconds(text)) return *seconds;
  if (auto before = duration(text)) return now - *before;
  if (auto moment = date(text)) return *moment;
  throw Error("invalid value for " + option + ": \"" + text + "\"")
      .hint("write 2026-01-02T15:04:05Z, seconds since 1970, or a duration such as 42m");
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string utc_text(int64_t ns) {
  time_t seconds = ns / kNanosecondsOfASecond;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return fmt::format("{}.{:09}Z", text, ns % kNanosecondsOfASecond);
}

}  // namespace pcompose::cli
