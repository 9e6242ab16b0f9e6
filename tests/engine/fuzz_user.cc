// /etc/passwd and /etc/group come with the image: anybody may have written them.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "engine/user.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t first = text.find('\0');
  std::string_view wanted = text.substr(0, first);
  std::string_view rest = first == std::string_view::npos ? "" : text.substr(first + 1);
  size_t second = rest.find('\0');
  std::string_view passwd = rest.substr(0, second);
  std::string_view group = second == std::string_view::npos ? "" : rest.substr(second + 1);
  try {
    pcompose::engine::resolve_user(wanted, passwd, group);
  } catch (const pcompose::Error&) {
    return 0;
  }
  return 0;
}
