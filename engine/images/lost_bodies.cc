#include "engine/images/lost_bodies.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images/layer_record.h"

namespace pcompose::engine {
namespace {

// Inodes have no such number.
constexpr uint64_t kByPosition = 1ULL << 63U;

std::string tree_name(uint64_t number) { return ".tree-" + std::to_string(number); }

}  // namespace

int LostBodies::directory() {
  if (!directory_) {
    if (::mkdirat(layer_, kLostName, 0700) != 0 && errno != EEXIST)
      throw Error::from_errno("make the directory lost");
    directory_ = open_at(layer_, kLostName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }
  return directory_.get();
}

// Directories come here whole and are taken apart one by one: they may be deeper than there are
// descriptors.
void LostBodies::take(int parent, const std::string& name) {
  take_entry(parent, name);
  for (; next_tree_ < trees_; ++next_tree_) take_tree(tree_name(next_tree_));
}

void LostBodies::take_tree(const std::string& name) {
  {
    Fd tree = open_at(directory(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    for (const std::string& each : directory_entries(tree.get())) take_entry(tree.get(), each);
  }
  if (::unlinkat(directory(), name.c_str(), AT_REMOVEDIR) != 0)
    throw Error::from_errno("remove a replaced directory");
}

void LostBodies::take_entry(int parent, const std::string& name) {
  struct stat status{};
  if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("stat");
  if (S_ISDIR(status.st_mode)) {
    if (::renameat(parent, name.c_str(), directory(), tree_name(trees_).c_str()) != 0)
      throw Error::from_errno("move a replaced directory");
    ++trees_;
    return;
  }
  if (S_ISREG(status.st_mode) && status.st_size > 0) link(parent, name, status.st_ino);
  if (::unlinkat(parent, name.c_str(), 0) != 0) throw Error::from_errno("remove what was replaced");
}

void LostBodies::link(int parent, const std::string& name, uint64_t id) {
  if (::linkat(parent, name.c_str(), directory(), std::to_string(id).c_str(), 0) == 0) return;
  // Another name of one inode came before.
  if (errno != EEXIST) throw Error::from_errno("keep a replaced file");
}

Fd LostBodies::create(int64_t position, uint64_t& id) {
  id = kByPosition | static_cast<uint64_t>(position);
  return open_at(directory(), std::to_string(id), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

}  // namespace pcompose::engine
