// The maps of user namespaces.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// "0 100000 65536\n…", as uid_map takes it (user_namespaces(7)).
std::string map_text(const std::vector<IdMapping>& mappings);

// Writes both maps of a process that waits in a new user namespace. An ordinary user's go through
// newuidmap and newgidmap, unless they map just itself. Throws Error.
void write_id_maps(pid_t pid, const std::vector<IdMapping>& uids,
                   const std::vector<IdMapping>& gids);

// A user namespace with nobody in it that carries these maps: for mounts whose ids are mapped.
// Throws Error.
Fd mapping_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

}  // namespace pcompose::engine::runtime
