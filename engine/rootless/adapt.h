// What a container in a user namespace has to do without.
#pragma once

#include "engine/spec.h"

namespace pcompose::engine::rootless {

// Binds the host's devices, and its /proc, /sys and /dev/mqueue where the namespace that they show
// is the host's, too: new ones can be mounted by the owner of that namespace only
// (user_namespaces(7)). What the host does not have is left out.
void adapt(ContainerSpec& spec);

// Takes away the groups that cannot be had where a single id is mapped. Throws Error with the cure
// where the user, its group or one of `asked_for` (group_add) does not exist in our namespace.
void adapt(User& user, const std::vector<uint32_t>& asked_for);

}  // namespace pcompose::engine::rootless
