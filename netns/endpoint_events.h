// How the supervisors of a root hear of each other's containers.
#pragma once

#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::netns {

// A descriptor that becomes readable when another process changed the endpoints of a network that
// several projects are on: read it empty and read the rows again. An inotify(7) watch of one file
// of the run directory: nobody registers, nobody can block, and who was killed leaves nothing.
// Throws Error.
Fd watch_endpoints(const Roots& roots);
void drain_endpoint_events(int watch);

// For the network thread: after the rows were committed.
void announce_endpoint_change(const Roots& roots);

}  // namespace pcompose::netns
