// Hooks: programs that the bundle wants run on a container's way (spec, config, "POSIX-platform
// Hooks").
#pragma once

#include <string>
#include <vector>

#include "base/pidfd.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Runs them one after another as ordinary programs of ours, with `state` on their stdin. The first
// that cannot be run, fails or lasts longer than its timeout (it is killed then) throws Error.
// They run in `directory`, the bundle.
void run_hooks(const std::vector<Hook>& hooks, const char* kind, const std::string& state,
               const std::string& directory);

// The same, all of them whatever becomes of the others. Returns what failed.
std::vector<std::string> run_hooks_anyway(const std::vector<Hook>& hooks, const char* kind,
                                          const std::string& state, const std::string& directory);

// The same inside the container: its namespaces are entered through `pidfd`. With a `root` (O_PATH)
// the paths are the container's, with -1 those of the host as the container's mount namespace has
// them. They run with the container's process's rights.
struct HookPlace {
  int pidfd = -1;
  int root = -1;
  uint64_t namespaces = 0;
  std::vector<std::string> cgroup_procs;
  std::string directory = "/";
  const Process* identity = nullptr;  // nothing: root with what the container may ever have
};
void run_hooks_inside(const std::vector<Hook>& hooks, const char* kind, const std::string& state,
                      const HookPlace& place);

}  // namespace pcompose::engine::runtime
