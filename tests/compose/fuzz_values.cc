// Any bytes as each of the small languages inside values.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "compose/dotenv.h"
#include "compose/interpolate.h"
#include "compose/mount_syntax.h"
#include "compose/port_syntax.h"
#include "compose/shell_words.h"
#include "compose/units.h"
#include "compose/yaml_scalar.h"

using namespace pcompose;
using namespace pcompose::compose;

namespace {

void parse_values(const std::string& text) {
  (void)split_words(text);
  (void)parse_port(text);
  (void)parse_mount(text);
  (void)parse_bytes(text);
  (void)plain_kind(text);
  (void)parse_real(text);
  auto duration = parse_duration(text);
  // The normal form is a fixed point.
  if (duration && parse_duration(duration_text(*duration)) != duration &&
      duration->count() < (int64_t{1} << 52)) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  auto lookup = [](std::string_view name) -> std::optional<std::string> {
    return name.size() > 3 ? std::nullopt : std::optional(std::string(name));
  };
  (void)interpolate(text, lookup);
  parse_values(text);
  try {
    (void)parse_dotenv(text, "f", lookup);
  } catch (const ComposeError&) {
  }
  try {
    (void)parse_raw_env(text, "f", lookup);
  } catch (const ComposeError&) {
  }
  return 0;
}
