// `volumes_from:`: what other containers mount.
#pragma once

#include <string>
#include <vector>

#include "compose/project.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {

struct InheritedMount {
  compose::Mount mount;
  std::string volume;  // its name in the root; "" for a bind or tmpfs
};

// The mounts of "SERVICE[:ro|rw]" and "container:NAME[:ro|rw]", in the file's order; of a service,
// its first container counts. `model` is the service's project. Throws Error where there is no such
// container.
std::vector<InheritedMount> inherited_mounts(const compose::Service& service,
                                             const compose::Project& model, StateStore& store);

}  // namespace pcompose::scheduler
