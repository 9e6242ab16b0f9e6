#include "engine/images/registry/patience.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace pcompose::engine {

Patience Patience::from_environment() {
  constexpr int kLongest = 86400;
  Patience out;
  const char* text = std::getenv("PCOMPOSE_REGISTRY_TIMEOUT");
  if (text == nullptr || *text == '\0') return out;
  std::string_view value = text;
  int seconds = 0;
  auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (error != std::errc() || stop != value.data() + value.size() || seconds < 1 ||
      seconds > kLongest) {
    throw Error("PCOMPOSE_REGISTRY_TIMEOUT is \"" + std::string(value.substr(0, 40)) + "\"")
        .hint("it is a number of seconds, 1 to 86400");
  }
  out.silence = std::chrono::seconds(seconds);
  out.connect = std::min(out.connect, out.silence);
  return out;
}

}  // namespace pcompose::engine
