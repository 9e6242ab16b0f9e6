// The lock between processes of one root. Private to the room.
#pragma once

#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::netns {

// shared: endpoints come and go. exclusive: bridges and the table do.
enum class Hold { shared, exclusive };

// flock(2) on a file in the run directory, until the descriptor closes; the kernel lets go of it
// when the process dies. Blocks. Throws Error.
Fd lock_networks(const Roots& roots, Hold hold);

}  // namespace pcompose::netns
