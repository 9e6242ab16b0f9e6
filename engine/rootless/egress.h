// The way out of an ordinary user's network namespace.
#pragma once

#include <optional>
#include <sys/types.h>

#include "base/process.h"
#include "base/roots.h"

namespace pcompose::engine::rootless {

// Whether one of the two programs that follow is installed.
bool has_egress();

// Starts pasta(1), else slirp4netns(1), for the network and user namespace of `pid`, from outside
// of them: neither can from within. It gives no way to the host's own loopback and forwards no
// port. It does not end with the namespace: kill it. nullopt where neither is installed; where it
// finds no way out it ends by itself. It joins the unit `unit` (engine/unit.h).
std::optional<Child> start_egress(pid_t pid, const Roots& roots, const std::string& unit);

}  // namespace pcompose::engine::rootless
