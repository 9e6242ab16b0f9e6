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

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string user_state() {
  if (std::string data = variable("XDG_DATA_HOME"); data.starts_with('/'))
    return data + "/pcompose";
  std::string home = variable("HOME");
  if (!home.starts_with('/'))
    throw Error("HOME is not set")
        .hint("it is where images and volumes are kept; or set PCOMPOSE_ROOT");
  return home + "/.local/share/pcompose";
}

// Anybody may make directories in /tmp, and would reach our sockets in one of his own.
void require_own(const std::string& path) {
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) throw Error::from_errno(path);
  if (S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() && (st.st_mode & 077) == 0) return;
  throw Error(path + " must be a directory of this user with mode 0700")
      .hint("remove it, or set XDG_RUNTIME_DIR");
}

std::string user_run(const std::string& uid) {
  std::string given = variable("XDG_RUNTIME_DIR");
  if (given.starts_with('/') && ::access(given.c_str(), W_OK) == 0) return given + "/pcompose";
  std::string own = "/tmp/pcompose-" + uid;
  make_directories(own);
  require_own(own);
  return own;
}

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
  std::string chosen = variable("PCOMPOSE_ROOT"), inside = variable("PCOMPOSE_ROOTLESS");
  Roots roots;
  roots.rootless = ::geteuid() != 0 || !inside.empty();
  std::string uid = inside.empty() ? std::to_string(::geteuid()) : inside;
  if (!chosen.empty()) {
    roots.state = std::filesystem::absolute(chosen).lexically_normal().string();
  } else {
    roots.state = roots.rootless ? user_state() : "/var/lib/pcompose";
  }
  roots.tag = "pcompose";
  if (!chosen.empty()) roots.tag += "-" + sha256_hex(roots.state).substr(0, 6);
  // Twelve digits of the boot id: a socket's path may have 107 bytes only (unix(7)).
  roots.run = (roots.rootless ? user_run(uid) : "/run/pcompose") + "/" +
              boot_id().substr(0, 12).replace(8, 1, "") + "/" + roots.tag;
  make_directories(roots.state);
  make_directories(roots.run);
  return roots;
}

}  // namespace pcompose
