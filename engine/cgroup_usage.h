// What the processes of a container use, as their cgroups count it.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace pcompose::engine {

struct CgroupUsage {
  uint64_t cpu_ns = 0;
  uint64_t memory = 0;        // bytes, without what the page cache can give up (as docker counts)
  uint64_t memory_limit = 0;  // bytes; 0 is none
  uint64_t processes = 0;     // threads included
  uint64_t read = 0, written = 0;  // bytes of block devices
};

// Of the groups that the process is in, v1 and v2; what a hierarchy does not count is 0. All 0
// where the process is gone. cgroup-v2.rst; cgroup-v1/memory.rst, cpuacct.rst and
// blkio-controller.rst of the kernel.
CgroupUsage usage_of_groups(pid_t pid);

// The processes that are in the container's group together with `pid`, its first; empty where that
// is gone, or in another group.
std::vector<pid_t> processes_in_group(pid_t pid, const std::string& container);

// The sum over "8:0 rbytes=1 wbytes=2 …" (v2) or "8:0 Read 1" lines (v1). Pure.
void add_block_io(CgroupUsage& usage, const std::string& text);

}  // namespace pcompose::engine
