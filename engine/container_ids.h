// The ids of a container that has a user namespace of its own: user_namespaces(7).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "engine/plan.h"
#include "engine/spec.h"

namespace pcompose::engine {

struct IdRange {
  uint32_t first = 0, size = 0;
};

// From the container's ids to ours.
struct ContainerIds {
  std::vector<IdMapping> uids, gids;
  [[nodiscard]] bool empty() const { return uids.empty(); }
};

// nullopt where the container does not have the id.
std::optional<uint32_t> id_outside(const std::vector<IdMapping>& mappings, uint32_t inside);
// The other way: nobody (65534) where the container has no such id, as the kernel shows it
// (user_namespaces(7), "Unmapped user and group IDs"). Without mappings it is the id itself.
uint32_t id_inside(const std::vector<IdMapping>& mappings, uint32_t outside);

// The map of one range, from 0 on.
std::vector<IdMapping> whole_range(IdRange range);
// Our 0 is `own` inside, and all ids up to `count` are there: those below `own` are moved up by
// one. `own` may be beyond the others.
std::vector<IdMapping> keep_id(uint32_t own, uint32_t count);

// A process that waits in a new user and a new network namespace, and does nothing.
Plan user_namespace_plan();

// The detached mount `tree` with its owners as the user namespace has them. Throws Error where its
// file system cannot, or where that is not ours.
void show_through(int tree, int user_namespace);

// From here on the calling thread makes files as this user, with the rights that it has: in a root
// that is shown through a map only who is in the map can. 0 changes nothing. Throws Error.
void make_files_as(uint32_t uid, uint32_t gid);

// The map of a running process, in our own ids; empty where it lives in our user namespace. Throws
// Error.
ContainerIds ids_of_process(pid_t pid);

// The ids that the files of a container belong to on the disk, in its directory `state`: where they
// are a copy of its image with other owners. Empty where nothing was written. Throw Error.
ContainerIds read_ids(const std::string& state);
void write_ids(const std::string& state, const ContainerIds& ids);

}  // namespace pcompose::engine
