// Where a stack can be reached.
#pragma once

#include <string>

#include "base/roots.h"
#include "compose/project.h"

namespace pcompose::cli {

// PCOMPOSE_BIND: the host address of ports whose file names none ("127.0.0.1": none of them is
// reachable from outside). Throws Error where it is no address.
void bind_ports(compose::Project& project);

// On stderr: which ports other machines can reach. Nothing where there is none.
void show_reachable_ports(const Roots& roots, const compose::Project& project);

}  // namespace pcompose::cli
