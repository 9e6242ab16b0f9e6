// Finds the process behind a port that is in use. Only for error messages; private to the room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "netns/network_store.h"

namespace pcompose::netns {

struct HoldingSocket {
  uint32_t inode = 0;
  uint32_t uid = 0;
};

// A socket of the calling thread's namespace that keeps us from binding the port, by sock_diag(7).
// nullopt where there is none to be seen: before Linux 6.8 a TCP socket that is bound and does not
// listen is not.
std::optional<HoldingSocket> find_holder(const Ip& host, uint16_t port, Protocol protocol);

// True where only connections that nobody owns any more (TIME_WAIT, FIN_WAIT2) have the TCP port.
bool only_time_wait(const Ip& host, uint16_t port);

// "nginx (pid 4711)", or "a process of user bob" where /proc/PID/fd does not say (not ours, or too
// many descriptors to look at: 20 to 100 ms at most).
std::string holder_text(const HoldingSocket& socket);

}  // namespace pcompose::netns
