// Any bytes as a compose file (with env files of the same bytes): errors, never a crash; and what
// loads survives the round trip through JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "compose/json.h"
#include "tests/compose/fake_files.h"

using namespace pcompose;
using namespace pcompose::compose;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  FakeFiles files({{"/p/compose.yaml", text}, {"/p/a.env", text}});
  LoadOptions options = options_in("/p");
  options.profiles = {"*"};
  options.unsupported = Unsupported::warn;
  try {
    json::value once = to_json(load(options, files));
    if (to_json(project_from_json(once)) != once) std::abort();
  } catch (const Error&) {
  } catch (const ComposeError&) {
  }
  return 0;
}
