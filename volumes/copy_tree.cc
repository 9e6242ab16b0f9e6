#include "volumes/copy_tree.h"

#include <cerrno>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/copy_file.h"
#include "base/directory.h"
#include "base/error.h"
#include "base/fd.h"

namespace pcompose::volumes {
namespace {

// Each level holds two descriptors. No image is that deep, and a hostile one must not use up the
// supervisor's.
constexpr int kMaxDepth = 200;

struct Place {
  int from;
  int to;
  std::string path;  // of `to`, beneath the root; "" or ending in '/'
  int depth;
};

class TreeCopy {
 public:
  TreeCopy(int root, dev_t device) : root_(root), device_(device) {}
  void directory(const Place& place);
  [[nodiscard]] size_t count() const { return count_; }

 private:
  void entry(const Place& place, const std::string& name);
  void subdirectory(const Place& place, const std::string& name, const struct stat& status);
  bool link_to_copy(const Place& place, const std::string& name, const struct stat& status);

  int root_;
  dev_t device_;
  size_t count_ = 0;
  std::map<std::pair<dev_t, ino_t>, std::string> copies_;  // of files with several names
};

struct stat status_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) throw Error::from_errno("fstat");
  return status;
}

void TreeCopy::directory(const Place& place) {
  if (place.depth > kMaxDepth)
    throw Error("directories are nested more than 200 deep in " + place.path.substr(0, 80) + "…");
  for (const std::string& name : directory_entries(place.from)) {
    try {
      entry(place, name);
    } catch (Error& e) {
      throw place.depth == 0 ? e.add("copy " + name) : e;
    }
  }
}

void TreeCopy::entry(const Place& place, const std::string& name) {
  struct stat status{};
  if (::fstatat(place.from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("stat " + name);
  ++count_;
  if (S_ISDIR(status.st_mode)) return subdirectory(place, name, status);
  if (link_to_copy(place, name, status)) return;
  copy_entry(place.from, place.to, name, status);
  if (status.st_nlink > 1) copies_.try_emplace({status.st_dev, status.st_ino}, place.path + name);
}

// True where another name of the same file was copied before.
bool TreeCopy::link_to_copy(const Place& place, const std::string& name,
                            const struct stat& status) {
  if (status.st_nlink < 2) return false;
  auto copy = copies_.find({status.st_dev, status.st_ino});
  if (copy == copies_.end()) return false;
  // Only directories and files that we made are on this path.
  if (::linkat(root_, copy->second.c_str(), place.to, name.c_str(), 0) == 0) return true;
  // A path too long or too many links: a second copy serves. ENOENT: the first was a socket.
  if (errno == ENAMETOOLONG || errno == EMLINK || errno == ENOENT) return false;
  throw Error::from_errno("link " + name);
}

void TreeCopy::subdirectory(const Place& place, const std::string& name,
                            const struct stat& status) {
  if (::mkdirat(place.to, name.c_str(), 0700) != 0) throw Error::from_errno("make " + name);
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  Fd from = open_at(place.from, name, kFlags);
  Fd to = open_at(place.to, name, kFlags);
  // What is mounted here (/proc, a volume) is not the image's.
  if (status.st_dev == device_)
    directory({from.get(), to.get(), place.path + name + "/", place.depth + 1});
  copy_attributes(from.get(), to.get());
  copy_status(to.get(), status, name);  // last: writing into it changes its time
}

}  // namespace

size_t copy_tree(int from, int to) {
  struct stat status = status_of(from);
  TreeCopy copy(to, status.st_dev);
  // `from` may be an O_PATH descriptor, which has no attributes to read.
  Fd readable = open_at(from, ".", O_RDONLY | O_DIRECTORY);
  copy.directory({readable.get(), to, "", 0});
  copy_attributes(readable.get(), to);
  copy_status(to, status, "the volume");
  return copy.count();
}

}  // namespace pcompose::volumes
