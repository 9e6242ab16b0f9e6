// A bundle's description becomes a plan; pure. What has to be looked up first stands in the
// description by then: open namespaces, trees of mounts, compiled filters, groups to join.
#pragma once

#include "engine/plan.h"
#include "engine/runtime/control_group.h"

namespace pcompose::engine::runtime {

enum class Pivot { pivot_root, move };

struct BundleOptions {
  int listener = -1;           // where the parked process waits
  std::vector<int> preserved;  // descriptors the program inherits
  Pivot pivot = Pivot::pivot_root;
  bool joins_by_parent = false;   // an ordinary user of its own user namespace may not
  std::string root_parent_mount;  // the mount point that holds the root, where that is shared
};

// Everything from clone to exec, with a park in between.
Plan bundle_plan(const ContainerSpec& spec, const BundleOptions& options);

struct EntryOptions {
  int pidfd = -1;
  int root = -1;  // O_PATH of /proc/PID/root; -1: the host's view of the container's mounts
  uint64_t namespaces = 0;  // CLONE_NEW… to enter
  std::vector<int> preserved;
  bool enters_user_namespace = false;
};

// A further process in a running container.
Plan entry_plan(const Process& process, const Linux& linux, const EntryOptions& options);

// The mounts of one "cgroup" of config.json: of each hierarchy, as the container may see it.
std::vector<Mount> cgroup_mounts(const Mount& mount, const std::vector<Hierarchy>& hierarchies,
                                 const ControlGroup& group, bool own_namespace);

// How many seconds and nanoseconds each clock of a new time namespace is ahead
// (time_namespaces(7)).
std::string time_offsets_text(const std::vector<TimeOffset>& offsets);

}  // namespace pcompose::engine::runtime
