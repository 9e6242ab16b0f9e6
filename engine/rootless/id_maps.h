// The maps of user namespaces.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "engine/spec.h"

namespace pcompose::engine::rootless {

// "0 100000 65536\n…", as uid_map takes it (user_namespaces(7)).
std::string map_text(const std::vector<IdMapping>& mappings);

// Writes both maps of a process that waits in a new user namespace. An ordinary user's go through
// newuidmap and newgidmap, unless they map just itself. Throws Error.
void write_id_maps(pid_t pid, const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids);

// True where newuidmap(1) and newgidmap(1) are installed: more than a single id can be mapped.
bool can_map_ranges();

}  // namespace pcompose::engine::rootless
