// Control groups behind one interface: v2, and v1 or hybrid hosts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/roots.h"
#include "engine/runtime/control_group.h"
#include "engine/spec.h"

namespace pcompose::engine {

// The hierarchies of mountinfo (proc(5)) that every container joins; pure. v1's cpuset is left out:
// a new group there is empty and takes no process until it is filled, which only a cpuset limit
// does.
std::vector<runtime::Hierarchy> joined_hierarchies(const std::string& mountinfo);

enum class Freeze { no, yes };
// How a container is kept from devices: files of v1's devices hierarchy, a program on its v2 group.
enum class DeviceRules { none, files, program };

// Of a group, since it was made. Bytes.
struct MemoryUse {
  long kills = 0;  // by the kernel, for want of memory
  std::optional<uint64_t> limit, peak;
};

// The groups of one project: <mount>/<tag>/<container>; in the v2 hierarchy beneath the project's
// systemd unit, where this process lives in it (unit.h).
class Cgroups {
 public:
  // Reads /proc/self/mountinfo. An ordinary user's groups are made beneath the unit, or beneath its
  // own group, in the hierarchies that were delegated to it; there may be none. Throws Error.
  Cgroups(const Roots& roots, const std::string& project);

  // The container's groups lie beneath `parent` (from the root of each hierarchy) instead of our
  // own. To be said before anything else of the container. Throws Error where that is no path, or
  // not this user's to choose.
  void place(const std::string& container, const std::string& parent);

  // Makes the container's groups and returns their cgroup.procs files, to be joined by its first
  // process. Where there are device rules the container may open Docker's devices (null, zero,
  // full, random, urandom, tty, ptmx, pts), make any node, and what `devices` allows besides.
  // Throws Error.
  std::vector<std::string> make(const std::string& container,
                                const std::vector<DeviceRule>& devices = {});
  // Puts limits on groups that make() made, in every hierarchy that they need, and returns the
  // cgroup.procs files that have to be joined besides. Throws Error that says which limit cannot be
  // kept.
  std::vector<std::string> limit(const std::string& container, const Resources& resources);
  // Where the container's groups lie below the root of each hierarchy.
  [[nodiscard]] std::string path(const std::string& container) const {
    return (parents_.contains(container) ? parents_.at(container) : unit_) +
           below_parent(container);
  }
  // Its cgroup.procs files without making anything.
  [[nodiscard]] std::vector<std::string> procs(const std::string& container) const;
  // Removes the groups; the root's own with the last one. What is busy or gone is left.
  void remove(const std::string& container);
  // The processes in the group, by the pids of our own namespace.
  [[nodiscard]] std::vector<pid_t> processes(const std::string& container) const;
  // Kills everything in the group (cgroup.kill, or the listed pids one by one where there is none).
  void kill_all(const std::string& container);
  // Stops every process of the group, or lets it go on: cgroup.freeze of v2, the freezer of v1
  // (cgroup-v2.rst, freezer-subsystem.rst of the kernel). It may take a moment longer than the
  // call. Throws Error where neither is there.
  void freeze(const std::string& container, Freeze freeze);
  // What is known of its memory; nothing where no hierarchy tells.
  [[nodiscard]] MemoryUse memory_use(const std::string& container) const;

  [[nodiscard]] bool has_device_rules() const { return device_rules_ != DeviceRules::none; }

 private:
  [[nodiscard]] std::string directory(const runtime::Hierarchy& h,
                                      const std::string& container) const;
  [[nodiscard]] std::string below_parent(const std::string& container) const {
    return "/" + tag_ + "/" + container;
  }
  [[nodiscard]] std::string root_of(const runtime::Hierarchy& h) const;
  // That of the hierarchy, or the chosen one in it.
  [[nodiscard]] std::string parent_directory(const runtime::Hierarchy& h,
                                             const std::string& container) const;
  void make_parent(const runtime::Hierarchy& h, const std::string& container) const;
  static void write_device_rules(const std::string& path, const std::vector<DeviceRule>& more);
  static void attach_device_rules(const std::string& path, const std::vector<DeviceRule>& more);
  [[nodiscard]] DeviceRules find_device_rules() const;

  // Erases what does not belong to this user.
  void keep_delegated(std::vector<runtime::Hierarchy>& hierarchies,
                      const std::string& own_groups) const;

  std::string tag_;
  bool rootless_;
  std::string unit_;                             // its group; "" where there is no systemd
  std::vector<runtime::Hierarchy> hierarchies_;  // that every container joins
  std::vector<runtime::Hierarchy> all_;          // that limits may need
  std::map<std::string, std::string> parents_;   // "/a/b", by container; of those that have one
  DeviceRules device_rules_ = DeviceRules::none;
};

}  // namespace pcompose::engine
