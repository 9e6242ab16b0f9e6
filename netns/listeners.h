// Who listens in a namespace, by sock_diag(7).
#pragma once

#include <cstdint>
#include <vector>

namespace pcompose::netns {

enum class Exposure { loopback, beyond };

struct Listener {
  uint16_t port = 0;
  Exposure exposure = Exposure::loopback;
  friend auto operator<=>(const Listener&, const Listener&) = default;
};

// All listening TCP sockets, IPv4 and IPv6, sorted, without our own DNS socket on 127.0.0.11.
// `diag` is a NETLINK_SOCK_DIAG socket that was opened in the namespace (Kernel::open_diag); any
// thread may ask, one at a time. 24-40 us. Throws Error.
std::vector<Listener> listeners(int diag);

}  // namespace pcompose::netns
