// A client that is attached to a container, or runs one: frames on an upgraded connection.
#pragma once

#include <string>

#include "base/loop.h"

namespace pcompose::scheduler {

class Supervisor;

// After the answer's head. Returns when the container has ended, the command has failed, or the
// client has gone; the container goes on without it.
Task<> serve_attached(Supervisor& supervisor, asio::local::stream_protocol::socket& socket,
                      const std::string& target, const std::string& body);

}  // namespace pcompose::scheduler
