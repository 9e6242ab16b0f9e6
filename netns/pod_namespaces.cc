#include "netns/pod_namespaces.h"

#include <fcntl.h>
#include <sched.h>

#include "base/error.h"

namespace pcompose::netns {
namespace {

PodNamespaces leave_for_new_ones() {
  if (::unshare(CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    throw Error::from_errno("make a pod's namespaces");
  }
  return {open_file("/proc/thread-self/ns/ipc", O_RDONLY),
          open_file("/proc/thread-self/ns/uts", O_RDONLY)};
}

}  // namespace

Task<PodNamespaces> make_pod_namespaces() {
  // In a user namespace there is no way back to the host's (setns(2)): the thread ends there.
  LoopThread thread("pod");
  co_return co_await thread.run(leave_for_new_ones);
}

}  // namespace pcompose::netns
