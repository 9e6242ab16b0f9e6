#include "scheduler/resource_usage.h"

#include <sstream>
#include <sys/sysinfo.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/cgroup_usage.h"

namespace pcompose::scheduler {
namespace {

// proc(5), /proc/net/dev: two lines of head, then "name: received … sent …".
void add_network(ResourceUsage& usage, pid_t pid) {
  std::istringstream lines(read_file("/proc/" + std::to_string(pid) + "/net/dev"));
  std::string line;
  while (std::getline(lines, line)) {
    size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, colon).ends_with("lo")) continue;
    std::istringstream fields(line.substr(colon + 1));
    uint64_t value = 0;
    for (int i = 0; i < 9 && fields >> value; ++i) {
      if (i == 0) usage.received += value;
      if (i == 8) usage.sent += value;
    }
  }
}

}  // namespace

std::optional<ResourceUsage> usage_of(const ContainerRow& row) {
  bool runs = row.status == Status::running || row.status == Status::paused;
  if (!runs || row.pid <= 0) return std::nullopt;
  engine::CgroupUsage counted = engine::usage_of_groups(row.pid);
  ResourceUsage usage{counted.cpu_ns,
                      counted.memory,
                      counted.memory_limit,
                      counted.processes,
                      counted.read,
                      counted.written,
                      0,
                      0};
  struct sysinfo machine{};
  if (usage.memory_limit == 0 && ::sysinfo(&machine) == 0)
    usage.memory_limit = machine.totalram * machine.mem_unit;
  try {
    add_network(usage, row.pid);
  } catch (const Error&) {
    return std::nullopt;  // it has just ended
  }
  return usage;
}

}  // namespace pcompose::scheduler
