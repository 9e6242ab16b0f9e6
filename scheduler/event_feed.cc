#include "scheduler/event_feed.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"

namespace pcompose::scheduler {
namespace {

std::string made(const Roots& roots) {
  make_directories(roots.state);
  return roots.database();
}

}  // namespace

EventFeed::EventFeed(const Roots& roots, std::string project)
    : db_(made(roots)),
      rows_(db_),
      project_(std::move(project)),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  // Commits go to the log beside the database, which comes and goes: sqlite.org/wal.html.
  if (!inotify_ || ::inotify_add_watch(inotify_.get(), roots.state.c_str(), IN_MODIFY) < 0)
    throw Error::from_errno("watch " + roots.state);
}

std::vector<ContainerEvent> EventFeed::read() {
  auto out = rows_.read(project_, window_);
  if (!out.empty()) window_.after_id = out.back().id;
  return out;
}

void EventFeed::wait(int timeout_ms) const {
  pollfd changed{inotify_.get(), POLLIN, 0};
  if (::poll(&changed, 1, timeout_ms) <= 0) return;
  char events[16384];
  while (::read(inotify_.get(), events, sizeof events) > 0) continue;
}

}  // namespace pcompose::scheduler
