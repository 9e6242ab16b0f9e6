// Namespaces of another container that a container lives in: ipc: and pid:.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "base/loop.h"
#include "engine/spec.h"

namespace pcompose::scheduler {

struct SharedSpaces {
  std::vector<std::pair<uint64_t, Fd>> namespaces;  // CLONE_NEW…
  Fd shm;  // /dev/shm of the container whose ipc namespace it is, as a detached mount

  // Puts them into the description, which borrows the descriptors.
  void apply(engine::ContainerSpec& spec) const;
};

// /dev/shm as the process has it, as a detached mount. On a thread of its own, which enters the
// process's mount namespace: a mount can be cloned from within its namespace only (open_tree(2)).
// Throws Error where there is no tmpfs.
Task<Fd> clone_shm(pid_t pid);

}  // namespace pcompose::scheduler
