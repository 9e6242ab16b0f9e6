#include "netns/endpoint_events.h"

#include <array>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"

namespace pcompose::netns {
namespace {

// The lock's file (run_lock.cc): it is there anyway, and to lock it is no event.
std::string file_of(const Roots& roots) { return roots.run + "/networks.lock"; }

}  // namespace

Fd watch_endpoints(const Roots& roots) {
  make_directories(roots.run);
  Fd file = open_file(file_of(roots), O_WRONLY | O_CREAT, 0600);
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) throw Error::from_errno("watch for endpoints");
  if (::inotify_add_watch(watch.get(), file_of(roots).c_str(), IN_MODIFY) < 0) {
    throw Error::from_errno("watch " + file_of(roots));
  }
  return watch;
}

void drain_endpoint_events(int watch) {
  std::array<char, 4096> events;
  while (::read(watch, events.data(), events.size()) > 0) continue;
}

void announce_endpoint_change(const Roots& roots) {
  // The write is the event, what is in the file says nothing.
  Fd file = open_file(file_of(roots), O_WRONLY | O_CREAT, 0600);
  write_all(file.get(), "\n");
}

}  // namespace pcompose::netns
