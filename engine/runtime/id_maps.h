// The maps of mounts.
#pragma once

#include <vector>

#include "base/fd.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// A user namespace with nobody in it that carries these maps: for mounts whose ids are mapped.
// Throws Error.
Fd mapping_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

}  // namespace pcompose::engine::runtime
