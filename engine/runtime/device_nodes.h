// Devices of a container with a user namespace: mknod(2) makes none there that works.
#pragma once

#include "engine/runtime/bundle.h"

namespace pcompose::engine::runtime {

// Makes the nodes of `linux.devices`, with their modes and owners, out here on a tmpfs that nobody
// sees, for the container to bind. Where that may not be (an ordinary user), or where whose the
// ids are is not known, the host's own nodes are bound as they are. Throws Error.
void make_device_nodes(Bundle& bundle);

}  // namespace pcompose::engine::runtime
