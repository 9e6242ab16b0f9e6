// The whole root: what it holds, whether rows, disk and kernel agree, and what can go. Needs no
// supervisor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/roots.h"
#include "engine/images.h"

namespace pcompose::scheduler {

struct ImageUsage {
  std::vector<std::string> names;  // familiar
  std::string id, created;
  int64_t size = 0, shared = 0;  // bytes; shared: of layers that other images have, too
  size_t containers = 0;
};
struct ContainerUsage {
  std::string id, name, image, command, status;
  size_t volumes = 0;  // named and anonymous
  int64_t size = 0;    // bytes of what it wrote, logs included
  bool active = false;
  int64_t created_ns = 0;
};
struct VolumeUsage {
  std::string name;
  size_t links = 0;  // containers that have it
  int64_t size = 0;
};
struct Usage {
  std::vector<ImageUsage> images;
  std::vector<ContainerUsage> containers;
  std::vector<VolumeUsage> volumes;
  int64_t layers = 0, reclaimable_layers = 0;  // bytes, each layer once
};
// Throws Error.
Usage measure_usage(const Roots& roots);

// Something that one of rows, disk and kernel has and the others do not. Throws Error.
std::vector<engine::StoreFault> check_system(const Roots& roots);

class StateStore;
// Directories of containers that no row knows.
std::vector<std::string> unknown_containers(const Roots& roots, StateStore& store);

enum class PruneVolumes { no, anonymous };
struct Pruned {
  engine::Removal images;
  std::vector<std::string> volumes, leftovers;
  int64_t freed = 0;  // bytes
};
// Removes images (without a name, or all that no container is made of), layers and documents that
// nobody has, what is left of containers that no row knows, and, if asked to, anonymous volumes
// that no container has. Throws Error.
Pruned prune_system(const Roots& roots, engine::Prune what, PruneVolumes volumes);

}  // namespace pcompose::scheduler
