#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

// linux/mount.h, which clashes with sys/mount.h: open_tree(2).
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kAtRecursive = 0x8000;

constexpr unsigned kCloneAll = kOpenTreeClone | O_CLOEXEC | kAtRecursive;

// -1 and errno where it fails.
Fd clone_tree(const std::string& path, unsigned flags = kCloneAll) {
  return Fd(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
}

// mkdir -p, with the mode that a shell would give it whatever our umask is.
void make_bind_directory(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0755) == 0) {
      if (::chmod(part.c_str(), 0755) != 0) throw Error::from_errno("make the bind source " + part);
    } else if (errno != EEXIST) {
      throw Error::from_errno("make the bind source " + part);
    }
    if (end == std::string::npos) return;
  }
}

}  // namespace

Fd mount_tree(const std::string& path) {
  Fd tree = clone_tree(path);
  if (!tree) throw Error::from_errno("open the mount of " + path);
  return tree;
}

Fd mount_subtree(const std::string& path, const std::string& subpath, bool* is_file) {
  Fd root = open_file(path, O_PATH | O_DIRECTORY);
  Fd place = open_within(root.get(), subpath, O_PATH, Resolve::beneath);
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, place.get(), "", kCloneAll | AT_EMPTY_PATH)));
  if (!tree) throw Error::from_errno("open the mount of " + subpath);
  struct stat status{};
  if (::fstat(tree.get(), &status) != 0) throw Error::from_errno("stat " + subpath);
  *is_file = !S_ISDIR(status.st_mode);
  return tree;
}

Fd bind_tree(const std::string& path, Missing missing, bool* is_file, Submounts submounts) {
  unsigned flags = submounts == Submounts::with ? kCloneAll : kOpenTreeClone | O_CLOEXEC;
  Fd tree = clone_tree(path, flags);
  if (!tree && errno == ENOENT) {
    if (missing == Missing::refuse) {
      throw Error("invalid mount config for type \"bind\": bind source path does not exist: " +
                  path + " (make it, or set create_host_path: true)");
    }
    make_bind_directory(path);
    tree = clone_tree(path, flags);
    if (!tree && errno == ENOENT)
      throw Error("bind source " + path + " is a link to something that does not exist");
  }
  if (!tree) throw Error::from_errno("open the bind source " + path);
  struct stat status{};
  if (::fstat(tree.get(), &status) != 0) throw Error::from_errno("stat the bind source " + path);
  if (is_file != nullptr) *is_file = !S_ISDIR(status.st_mode);
  return tree;
}

}  // namespace pcompose::volumes
