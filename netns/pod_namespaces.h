// The namespaces of a pod besides its network.
#pragma once

#include "base/fd.h"
#include "base/loop.h"

namespace pcompose::netns {

// They live as long as a process is in them or a descriptor of them is open: no process has to hold
// them (namespaces(7)).
struct PodNamespaces {
  Fd ipc, uts;
};

// New ones. Throws Error.
Task<PodNamespaces> make_pod_namespaces();

}  // namespace pcompose::netns
