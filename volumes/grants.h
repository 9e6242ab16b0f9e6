// Files that a container may read and that are on no disk: secrets and configs.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"

namespace pcompose::volumes {

struct GrantFile {
  std::string content;
  uint32_t uid = 0, gid = 0;
  uint32_t mode = 0444;
};

// Makes them on a thread with a mount namespace of its own, so that no other process of the host
// ever sees where they are.
class Grants {
 public:
  // `directory`: an existing directory, whose content the thread's mounts hide.
  explicit Grants(std::string directory) : directory_(std::move(directory)) {}

  // A detached mount of each file, read-only, in ramfs (tmpfs may be swapped out:
  // filesystems/ramfs-rootfs-initramfs.rst of the kernel). The content goes with the last mount.
  // Throws Error. A cancelled call leaves nothing.
  Task<std::vector<Fd>> make(std::vector<GrantFile> files);

 private:
  std::string directory_;
  std::unique_ptr<LoopThread> thread_;  // where somebody has asked; in the namespace
};

}  // namespace pcompose::volumes
