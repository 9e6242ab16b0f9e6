// Where a listener's traffic goes. Private to the forwarder.
#pragma once

#include <string>

#include "base/fd.h"
#include "netns/socket_address.h"

namespace pcompose::netns::forwarder {

struct Target {
  Ip address;
  uint16_t port = 0;
  bool keep_client = false;
  friend bool operator==(const Target&, const Target&) = default;
};

// A socket on the way to the target: connected (UDP) or connecting (TCP). With keep_client it is
// bound to the client's own address where that can be; the target then sees who called. Empty and
// errno where that fails at once.
Fd connect_target(const Target& target, int type, const SocketAddress& client);

}  // namespace pcompose::netns::forwarder
