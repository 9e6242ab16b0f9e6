// The worker gives its rights up before it reads a stranger's first byte.
#pragma once

#include <vector>

#include "base/fd.h"

namespace pcompose::engine {

enum class Confinement { full, none };

// No new privileges; files only beneath the directories `writable`, and reading beneath `source`
// where it is a directory; no network where the kernel's landlock knows it (landlock(7)).
// Descriptors that are open stay usable. Returns none where the kernel has no landlock. Throws
// Error. Call it while there is one thread: threads made later inherit it.
Confinement confine(const std::vector<int>& writable, const Fd& source);

}  // namespace pcompose::engine
