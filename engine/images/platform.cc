#include "engine/images/platform.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <sys/utsname.h>
#include <vector>

#include "base/error.h"

namespace pcompose::engine {
namespace {

// uname(2) calls them otherwise, and so do people.
std::string canonical(const std::string& architecture) {
  static const std::map<std::string, std::string> names = {
      {"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"}, {"armhf", "arm"},
      {"armel", "arm"},    {"i386", "386"},     {"i686", "386"}};
  auto found = names.find(architecture);
  return found == names.end() ? architecture : found->second;
}

// The number of a variant; 0 where it is none.
int version(const std::string& variant) {
  bool plain = variant.size() == 2 && variant[0] == 'v' && variant[1] >= '1' && variant[1] <= '9';
  return plain ? variant[1] - '0' : 0;
}

// What is meant where no variant is written.
int usual(const std::string& architecture) {
  if (architecture == "arm64") return 8;
  return architecture == "arm" ? 7 : 1;
}

int version_of(const Platform& p) {
  return p.variant.empty() ? usual(p.architecture) : version(p.variant);
}

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 40 && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  });
}

}  // namespace

Platform Platform::host() {
#if defined(__x86_64__)
  return {"linux", "amd64", ""};
#elif defined(__aarch64__)
  return {"linux", "arm64", "v8"};
#elif defined(__riscv) && __riscv_xlen == 64
  return {"linux", "riscv64", ""};
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
  return {"linux", "ppc64le", ""};
#elif defined(__s390x__)
  return {"linux", "s390x", ""};
#elif defined(__arm__)
  // "armv6l", "armv7l"; a 64-bit kernel runs our 32-bit program on something newer.
  utsname name{};
  std::string machine = ::uname(&name) == 0 ? name.machine : "";
  bool old = machine.starts_with("armv5") || machine.starts_with("armv6");
  return {"linux", "arm", old ? machine.substr(3, 2) : "v7"};
#else
  return {"linux", "386", ""};
#endif
}

Platform Platform::parse(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t start = 0; start <= text.size();) {
    size_t end = std::min(text.find('/', start), text.size());
    parts.push_back(text.substr(start, end - start));
    start = end + 1;
  }
  if (parts.size() == 1) parts.insert(parts.begin(), "linux");
  if (parts.size() > 3 || !std::ranges::all_of(parts, is_name)) {
    throw Error("\"" + text + "\" is no platform")
        .hint("os/architecture or os/architecture/variant: linux/amd64, linux/arm/v7");
  }
  Platform out{parts[0], canonical(parts[1]), parts.size() > 2 ? parts[2] : ""};
  if (parts[1] == "armel") out.variant = "v6";
  return out;
}

std::string Platform::str() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

int Platform::suits(const Platform& offered) const {
  if (offered.os != os || offered.architecture != architecture) return 0;
  int ours = version_of(*this), theirs = version_of(offered);
  if (ours == 0 || theirs == 0) return variant == offered.variant ? 100 : 0;
  if (theirs > ours) return 0;
  return theirs == ours ? 100 : theirs;
}

}  // namespace pcompose::engine
