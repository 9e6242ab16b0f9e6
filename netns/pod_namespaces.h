// The namespaces of a pod besides its network.
#pragma once

#include "base/fd.h"

namespace pcompose::netns {

// They live as long as a process is in them or a descriptor of them is open: no process has to hold
// them (namespaces(7)).
struct PodNamespaces {
  Fd ipc, uts;
};

// New ones. The calling thread is in them for a moment and comes back. Throws Error.
PodNamespaces make_pod_namespaces();

}  // namespace pcompose::netns
