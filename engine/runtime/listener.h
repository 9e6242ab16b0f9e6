// The seccomp agent of a container.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "engine/runtime/state.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Sends a filter's listener with the container process state to linux.seccomp.listenerPath (spec,
// config-linux, "The Container Process State"). Throws Error.
void hand_over_listener(const Fd& listener, pid_t pid, const ContainerRecord& record,
                        const ContainerSpec& spec);

}  // namespace pcompose::engine::runtime
