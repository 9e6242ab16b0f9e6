// The events of a project as they come, for the command line. Needs no supervisor, and outlives
// any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/roots.h"
#include "scheduler/container_event.h"

namespace pcompose::scheduler {

class EventFeed {
 public:
  // Throws Error.
  EventFeed(const Roots& roots, std::string project);
  // Only what comes from now on.
  void skip_existing() { window_.after_id = rows_.last_id(); }
  void begin_at(int64_t since_ns) { window_.since_ns = since_ns; }
  void end_at(int64_t until_ns) { window_.until_ns = until_ns; }

  // What is new since the last call.
  std::vector<ContainerEvent> read();
  // Until something was written to the database, or `timeout_ms` has passed.
  void wait(int timeout_ms) const;

 private:
  Database db_;
  EventRows rows_;
  std::string project_;
  EventRows::Window window_;
  Fd inotify_;
};

}  // namespace pcompose::scheduler
