// Commands that change what belongs to a user's subordinate ids.
#pragma once

#include <functional>

namespace pcompose::scheduler {

// `command`, or as an ordinary user this same command line once more inside the user's namespaces
// (engine/rootless/shared_namespaces.h), where files and links may be changed that belong to ids of
// its range. Returns the exit code. Throws Error.
int run_inside(const std::function<int()>& command);

}  // namespace pcompose::scheduler
