// Files of containers, for `cp`. Needs no supervisor.
//
// A container's own processes may exchange directories for links while we copy (CVE-2018-15664):
// its root is opened once, every path beneath it is resolved by the kernel with that root
// (openat2(2), RESOLVE_IN_ROOT), and all that follows goes by descriptors.
#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "base/roots.h"
#include "engine/container_ids.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {

// An ordinary user reaches the files of a container that does not run, that fuse-overlayfs serves
// or that has users of its own inside its namespaces only: the command has to be run there
// (scheduler/namespaces.h). Throws Error.
bool needs_namespaces(const Roots& roots, const ContainerRow& row);

enum class FollowLink { no, yes };
enum class KeepOwners { no, yes };

// One side of a copy: a directory tree with a root of its own, and a path in it.
class CopySide {
 public:
  // The container's: as its processes see it where it runs, else its layers, put together for the
  // life of this process. Throws Error.
  static CopySide container(const Roots& roots, const ContainerRow& row, std::string path);
  // Ours.
  static CopySide host(std::string path);

  // "x/.": what is in it.
  [[nodiscard]] bool means_content() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  friend class Copier;
  CopySide(Fd root, std::string path, bool in_container)
      : root_(std::move(root)), path_(std::move(path)), in_container_(in_container) {}
  [[nodiscard]] std::optional<Fd> find(const std::string& path, int flags) const;
  Fd root_;  // nothing: the host's, from our working directory
  std::string path_;
  bool in_container_;
  engine::ContainerIds ids_;  // of a container with a user namespace of its own
};

// Copies by the rules of `docker cp`: a source goes into a target that is a directory, and is
// called as the target otherwise. Throws Error.
void copy_files(const Roots& roots, const CopySide& source, const CopySide& target,
                FollowLink follow, KeepOwners owners);
// A tar of the source to `stream`.
void copy_files_to(const Roots& roots, const CopySide& source, int stream, FollowLink follow);
// A tar of its whole root to `stream`, without what is mounted there: volumes, /proc, /dev.
void export_container(const Roots& roots, const ContainerRow& row, int stream);
// What a tar in `stream` holds, into a directory.
void copy_files_from(const Roots& roots, int stream, const CopySide& target, KeepOwners owners);

}  // namespace pcompose::scheduler
