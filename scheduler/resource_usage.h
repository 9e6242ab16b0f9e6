// What a running container uses, for `stats`. Needs no supervisor.
#pragma once

#include <cstdint>
#include <optional>

#include "scheduler/state_store.h"

namespace pcompose::scheduler {

struct ResourceUsage {
  uint64_t cpu_ns = 0;
  uint64_t memory = 0, memory_limit = 0;  // bytes; the machine's memory where there is no limit
  uint64_t processes = 0;
  uint64_t read = 0, written = 0;   // bytes of block devices
  uint64_t received = 0, sent = 0;  // bytes of its network, loopback aside
};

// nullopt where it does not run.
std::optional<ResourceUsage> usage_of(const ContainerRow& row);

}  // namespace pcompose::scheduler
