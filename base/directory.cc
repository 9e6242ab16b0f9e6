#include "base/directory.h"

#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose {
namespace {

// Unlinks what needs no walk. False where `name` is a directory that is not empty.
bool remove_simple(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno != EISDIR && errno != EPERM) throw Error::from_errno("remove " + name);
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return true;
  if (errno == ENOTEMPTY || errno == EEXIST) return false;
  throw Error::from_errno("remove " + name);
}

// Moves `name` from `directory` up to `root` under a name that is free there.
std::string move_up(int directory, const std::string& name, int root, unsigned& counter) {
  for (;;) {
    std::string fresh = ".removed-" + std::to_string(counter++);
    if (::renameat2(directory, name.c_str(), root, fresh.c_str(), RENAME_NOREPLACE) == 0)
      return fresh;
    if (errno != EEXIST) throw Error::from_errno("remove " + name);
  }
}

}  // namespace

std::vector<std::string> directory_entries(int directory) {
  // A descriptor of its own: the stream takes it over, and its position with it.
  Fd own = open_at(directory, ".", O_RDONLY | O_DIRECTORY);
  std::unique_ptr<DIR, decltype([](DIR* d) { ::closedir(d); })> stream(::fdopendir(own.get()));
  if (!stream) throw Error::from_errno("read a directory");
  static_cast<void>(own.release());
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  if (errno != 0) throw Error::from_errno("read a directory");
  return names;
}

void remove_tree(int parent, const std::string& name) {
  if (remove_simple(parent, name)) return;
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  Fd root = open_at(parent, name, kFlags);
  std::vector<std::string> waiting;  // directories in `root`
  for (const std::string& entry : directory_entries(root.get())) {
    if (!remove_simple(root.get(), entry)) waiting.push_back(entry);
  }
  // A program may nest directories deeper than descriptors or a path reach, so what is not empty
  // is moved up to the root: one level is all that there ever is to walk.
  unsigned counter = 0;
  while (!waiting.empty()) {
    std::string next = std::move(waiting.back());
    waiting.pop_back();
    Fd directory = open_at(root.get(), next, kFlags);
    for (const std::string& entry : directory_entries(directory.get())) {
      if (!remove_simple(directory.get(), entry))
        waiting.push_back(move_up(directory.get(), entry, root.get(), counter));
    }
    if (!remove_simple(root.get(), next))
      throw Error("remove " + name + ": somebody writes to it", EBUSY);
  }
  if (!remove_simple(parent, name))
    throw Error("remove " + name + ": somebody writes to it", EBUSY);
}

}  // namespace pcompose
