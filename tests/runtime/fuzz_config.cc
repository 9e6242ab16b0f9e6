// config.json comes with the bundle: anybody may have written it.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "engine/runtime/bundle_plan.h"
#include "engine/runtime/config.h"
#include "engine/runtime/resource_files.h"

namespace runtime = pcompose::engine::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    auto spec = runtime::parse_config(text);
    static_cast<void>(runtime::bundle_plan(spec, {}).bytes());
    static_cast<void>(runtime::resource_writes_v1(spec.linux.resources));
  } catch (const pcompose::Error&) {
    return 0;
  }
  return 0;
}
