// The cgroup of one container, in every hierarchy there is: v2, v1, or both.
#pragma once

#include <csignal>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

struct Hierarchy {
  std::string mount;
  std::vector<std::string> controllers;  // of v1; "name=systemd" of one without
  bool v2 = false;
};

// The hierarchies of /proc/self/mountinfo (proc(5)); pure.
std::vector<Hierarchy> parse_hierarchies(const std::string& mountinfo);

// Where a process is, by its /proc/PID/cgroup (cgroups(7)); pure. "" where it names no such
// hierarchy.
std::string path_in_hierarchy(const std::string& proc_cgroup, const Hierarchy& hierarchy);

struct GroupDirectory {
  std::string path;
  std::vector<std::string> controllers;
  bool v2 = false;
};

// Gives the children of a v2 group every controller that it has (cgroup-v2.rst). What a group does
// not have, or may not give, is missed where a limit wants it.
void offer_controllers(const std::string& group);

// The controllers of v1 that a container needs: nothing is all of them. A cgroup path says that
// somebody looks for it in each; and one that mounts cgroups must not see, for those it did not
// join, the host's.
std::optional<std::set<std::string>> needed_controllers(const ContainerSpec& spec);

enum class Freeze { frozen, thawed };

// Directories outlive their owner: remove() removes them. Everything throws Error.
class ControlGroup {
 public:
  ControlGroup() = default;
  // Makes them: an absolute `cgroups_path` (linux.cgroupsPath) lies below each hierarchy's root, a
  // relative one below our own group, none is /pcompose-runtime/ID. `wanted` says which of v1 are
  // joined where there is v2, too (nothing: all); each costs the kernel a grace period at the first
  // join.
  static ControlGroup make(const std::string& cgroups_path, const std::string& id,
                           const std::optional<std::set<std::string>>& wanted = {});
  // The same in these hierarchies, whose `mount` may be a group that was delegated; the path is
  // below it.
  static ControlGroup make_in(const std::vector<Hierarchy>& hierarchies, const std::string& path,
                              const std::optional<std::set<std::string>>& wanted = {});
  static ControlGroup from_json(const json::value& value);
  [[nodiscard]] json::value to_json() const;

  // Limits and device rules. Where one cannot be applied the error names its place in config.json.
  void apply(const Resources& resources) const;
  void apply_device_rules(const std::vector<DeviceRule>& rules) const;

  // cgroup.procs of what has to be joined by writing; the v2 group is entered by clone3(2).
  [[nodiscard]] std::vector<std::string> procs_to_join() const;
  [[nodiscard]] Fd open_v2() const;  // empty where there is none

  // All processes in it and in the groups beneath it.
  [[nodiscard]] std::vector<pid_t> processes() const;
  void signal_all(int signal) const;
  // Waits until it is so; a second at most.
  void set_frozen(Freeze how) const;
  [[nodiscard]] bool is_frozen() const;
  // Takes its processes, and `init`, out of freezer groups of v1 that somebody else froze: there
  // not even SIGKILL ends them. Those groups stay as they are.
  void leave_frozen_groups(pid_t init) const;
  // Joins what `resources` want and make() left out; true where there was something.
  bool extend(const std::string& id, const Resources& resources);
  // With the groups beneath it. Waits a moment for processes that are just ending.
  void remove() const;

  [[nodiscard]] const std::vector<GroupDirectory>& directories() const { return directories_; }
  [[nodiscard]] const GroupDirectory* find(const std::string& controller) const;

 private:
  static ControlGroup make_groups(const std::vector<Hierarchy>& hierarchies,
                                  const std::function<std::string(const Hierarchy&)>& path_of,
                                  const std::optional<std::set<std::string>>& wanted);

  std::vector<GroupDirectory> directories_;
};

}  // namespace pcompose::engine::runtime
