// The rewrite of 127.0.0.11:53 inside a container's namespace. Private to the room.
#pragma once

#include <cstdint>

namespace pcompose::netns {

struct RewritePorts {
  uint16_t udp;
  uint16_t tcp;
};

// Installs in the calling thread's network namespace a table that sends what goes to 127.0.0.11:53
// to these ports, and answers back as from 53. Stateless: conntrack would touch every packet of the
// namespace. As a raw batch because a libnftables context costs five times as much. An earlier
// table of ours is replaced. Throws Error.
void install_dns_rewrite(RewritePorts ports);

}  // namespace pcompose::netns
