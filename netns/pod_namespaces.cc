#include "netns/pod_namespaces.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>

#include <spdlog/spdlog.h>

#include "base/error.h"

namespace pcompose::netns {
namespace {

class Return {
 public:
  Return(int ipc, int uts) : ipc_(ipc), uts_(uts) {}
  Return(const Return&) = delete;
  Return& operator=(const Return&) = delete;
  ~Return() {
    if (::setns(ipc_, CLONE_NEWIPC) == 0 && ::setns(uts_, CLONE_NEWUTS) == 0) return;
    spdlog::critical("cannot return from a pod's namespaces: errno {}", errno);
    std::abort();
  }

 private:
  int ipc_, uts_;
};

}  // namespace

PodNamespaces make_pod_namespaces() {
  Fd ipc = open_file("/proc/thread-self/ns/ipc", O_RDONLY);
  Fd uts = open_file("/proc/thread-self/ns/uts", O_RDONLY);
  Return home(ipc.get(), uts.get());
  if (::unshare(CLONE_NEWIPC | CLONE_NEWUTS) != 0) {
    throw Error::from_errno("make a pod's namespaces");
  }
  return {open_file("/proc/thread-self/ns/ipc", O_RDONLY),
          open_file("/proc/thread-self/ns/uts", O_RDONLY)};
}

}  // namespace pcompose::netns
