// What an archive holds and its layer does not: bodies of files that a later entry replaced, or of
// entries that are no file. The layer's tar cannot be made again without them.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace pcompose::engine {

// A file of a layer that was written: its path, its inode's number, its bytes.
struct WrittenFile {
  std::string path;
  uint64_t id = 0;
  int64_t size = 0;
};

// The directory LAYER/lost, made when it is needed. A file there is called by the number that its
// inode has, which nobody else gets as long as it is there. All throw Error.
class LostBodies {
 public:
  // `layer`: the layer's directory, which outlives this.
  explicit LostBodies(int layer) : layer_(layer) {}

  // Takes `name` away with all that is beneath it, and keeps the regular files.
  void take(int parent, const std::string& name);
  // Keeps a file that stays where it is, too.
  void link(int parent, const std::string& name, uint64_t id);
  // A new file with the id that goes with an entry at `position` of the archive.
  Fd create(int64_t position, uint64_t& id);

 private:
  int directory();
  void take_tree(const std::string& name);
  void take_entry(int parent, const std::string& name);

  int layer_;
  Fd directory_;
  uint64_t trees_ = 0;  // that were moved here and are not taken apart yet
  uint64_t next_tree_ = 0;
};

}  // namespace pcompose::engine
