// The control protocol's server: HTTP/1.1 with JSON over the project's unix socket
// (docs/protocol.md).
#pragma once

#include "base/json.h"
#include "base/loop.h"

namespace pcompose::scheduler {

class Supervisor;

// The last line of an answer: done, or what went wrong.
json::object result_of(const std::exception_ptr& error);

class ControlServer {
 public:
  // `listener` is the listening socket that the keeper holds, too.
  ControlServer(Supervisor& supervisor, const Fd& listener);
  // Accepts until it is cancelled; then waits for the sessions.
  Task<> run();

 private:
  Supervisor& supervisor_;
  Fd listener_;
};

}  // namespace pcompose::scheduler
