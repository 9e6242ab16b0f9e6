// The control protocol's server: HTTP/1.1 with JSON over the project's unix socket
// (docs/protocol.md).
#pragma once

#include "base/loop.h"

namespace pcompose::scheduler {

class Supervisor;

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
