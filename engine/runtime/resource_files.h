// What resources say in the files of a cgroup; pure.
#pragma once

#include <string>
#include <vector>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

struct ResourceWrite {
  std::string controller;
  std::string file;  // "a|b": the first that is there
  std::string value;
  std::string place;  // in config.json, for errors
};

// In the order in which they have to be written. Sources: cgroup-v1/*.rst of the kernel.
std::vector<ResourceWrite> resource_writes_v1(const Resources& resources);
// The same for v2 (cgroup-v2.rst). Throws Error for what v2 has no file for.
std::vector<ResourceWrite> resource_writes_v2(const Resources& resources);

// cpu.shares (2 to 262144) as cpu.weight (1 to 10000), blkio.weight (10 to 1000) as io.weight: both
// as Kubernetes and the other runtimes map them.
uint64_t weight_of_shares(uint64_t shares);
uint64_t io_weight_of(uint64_t blkio_weight);

}  // namespace pcompose::engine::runtime
