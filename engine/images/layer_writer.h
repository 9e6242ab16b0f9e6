// Entries of a layer become files of a directory that overlayfs can stack.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "engine/images/layer_path.h"
#include "engine/images/lost_bodies.h"
#include "engine/images/tar_reader.h"

namespace pcompose::engine {

// What one layer may hold: far above any real image, and low enough that a bomb is an error and not
// a full disk.
struct LayerLimits {
  uint64_t entries = 2'000'000;
  uint64_t bytes = 64ULL << 30U;  // of all files together, holes included
  // What a blob may grow to: so many times its size, and in any case a gigabyte. Plain deflate
  // cannot do more than 1032.
  uint64_t ratio = 1100;

  // With what PCOMPOSE_LAYER_MAX_BYTES, _ENTRIES and _RATIO say. Throws Error where one is no
  // number.
  static LayerLimits from_environment();
};

// keep: the archive's owners and devices (needs root, of the machine or of a user namespace).
enum class Ownership { keep, ours };

// ours where this process is not root, or no other id exists.
Ownership possible_ownership();

// Writes beneath `root` only: parents are resolved by the kernel within it (openat2(2),
// RESOLVE_BENEATH) and the last component is never followed. The caller keeps everybody else out of
// the directory.
class LayerWriter {
 public:
  // `lost` (may be null) gets the bodies that no file of the layer has in the end.
  LayerWriter(int root, LayerLimits limits, Ownership ownership, LostBodies* lost = nullptr);

  // No whiteouts: ".wh.x" is a file of that name. For what is copied into a container.
  void take_names_as_they_are() { parse_ = &parse_plain_path; }

  // `next_piece` gives the data of a regular file. The last of several entries of one name wins; a
  // whiteout and an entry of the same name are both true: the entry hides what is below. Returns
  // the file that was written, where it was one. Throws Error naming the entry.
  std::optional<WrittenFile> add(const TarEntry& entry,
                                 const std::function<bool(TarData&)>& next_piece);
  // Times of directories, which writing into them has changed.
  void finish();

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  [[nodiscard]] uint64_t entries() const { return entries_; }

 private:
  void add_any(const TarEntry& entry, const LayerPath& path,
               const std::function<bool(TarData&)>& next_piece);
  void add_entry(const TarEntry& entry, const LayerPath& path,
                 const std::function<bool(TarData&)>& next_piece);
  int parent(const std::string& path);
  Fd find_parent(const std::string& path);
  Fd make_parents(const std::string& path);
  Fd make_parent(int above, const std::string& prefix, const std::string& name);
  void clear(int parent, const std::string& name);
  template <class Make>
  void make(int parent, const std::string& name, Make&& attempt);

  void file(int parent, const TarEntry& entry, const LayerPath& path,
            const std::function<bool(TarData&)>& next_piece);
  void write(int fd, const TarEntry& entry, const std::function<bool(TarData&)>& next_piece);
  void directory(int parent, const TarEntry& entry, const LayerPath& path);
  void root_directory(const TarEntry& entry);
  void symlink(int parent, const TarEntry& entry, const std::string& name);
  void hard_link(int parent, const TarEntry& entry, const LayerPath& path);
  void node(int parent, const TarEntry& entry, const std::string& name);
  void whiteout(int parent, const LayerPath& path);
  void plain_whiteout(int parent, const LayerPath& path);
  void drop_needless_whiteouts();
  void opaque(const std::string& path);

  void describe(int fd, const TarEntry& entry) const;
  void describe_name(int parent, const TarEntry& entry, const std::string& name) const;

  int root_;
  LayerPath (*parse_)(const std::string&) = &parse_layer_path;
  LostBodies* lost_;
  LayerLimits limits_;
  Ownership ownership_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
  // Entries of one directory come one after another.
  Fd parent_;
  std::string parent_path_;
  bool through_link_ = false;  // a symbolic link leads to it
  std::optional<WrittenFile> written_;
  std::vector<std::pair<std::string, timespec>> times_;
  std::set<std::string> whiteouts_;
  std::vector<LayerPath> plain_whiteouts_;  // as files called .wh.NAME
};

}  // namespace pcompose::engine
