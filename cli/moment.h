// A point in time as --since and --until take it.
#pragma once

#include <cstdint>
#include <string>

namespace pcompose::cli {

// Nanoseconds since 1970. "2026-01-02T15:04:05.5Z" (also with an offset, without one: local time,
// without the time: midnight), "1767366245" and "1767366245.5" (seconds since 1970), or "42m",
// "1h30m": so long before `now_ns`. Throws Error naming `option`.
int64_t parse_moment(const std::string& text, const std::string& option, int64_t now_ns);

// Of the system's clock.
int64_t now_ns();

// "2026-01-02T15:04:05.123456789Z", as log records have it.
std::string utc_text(int64_t ns);

}  // namespace pcompose::cli
