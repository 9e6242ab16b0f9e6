// Durations and sizes as compose files write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pcompose::compose {

// "1h5m30s20ms": numbers, decimals allowed, with ns, us, ms, s, m, h, d, w. nullopt where it is
// none, is negative or does not fit.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);
// The normal form: "1m30s", "1h0m0s", "500ms", "0s".
std::string duration_text(std::chrono::nanoseconds duration);

// "64", "64k", "1.5g", "1GiB", "64 MB": powers of 1024, any case. -1 stands for "unlimited".
std::optional<int64_t> parse_bytes(std::string_view text);

}  // namespace pcompose::compose
