#include "base/roots.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"

namespace pcompose {
namespace {

constexpr const char* kDefaultState = "/var/lib/pcompose";

}  // namespace

std::string boot_id() {
  std::string id = read_file("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

void make_directories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST)
      throw Error::from_errno("make the directory " + part);
    if (end == std::string::npos) return;
  }
}

Roots Roots::from_environment() {
  const char* chosen = std::getenv("PCOMPOSE_ROOT");
  bool own = chosen != nullptr && *chosen != '\0';
  Roots roots;
  roots.state = own ? std::filesystem::absolute(chosen).lexically_normal().string() : kDefaultState;
  roots.tag = "pcompose";
  if (own) roots.tag += "-" + sha256_hex(roots.state).substr(0, 6);
  // Twelve digits of the boot id: a socket's path may have 107 bytes only (unix(7)).
  roots.run = "/run/pcompose/" + boot_id().substr(0, 12).replace(8, 1, "") + "/" + roots.tag;
  make_directories(roots.state);
  make_directories(roots.run);
  return roots;
}

}  // namespace pcompose
