// IPv4 forwarding of the host: ours to turn on, and to turn off again if nobody else came to need
// it. Private to the room.
#pragma once

#include <string>
#include <vector>

#include "base/roots.h"
#include "netns/kernel.h"

namespace pcompose::netns {

// Where forwarding is off: the links (without loopback) that must not forward to one another once
// we turn it on, also written to the run directory. Where we turned it on earlier: what was written
// then. Else nothing.
std::vector<std::string> foreign_links(const Roots& roots, Kernel& kernel);

// With the last network: turns off what we turned on, unless a link appeared since, whose owner
// (another engine, a VPN) may have found forwarding on and now depends on it.
void release_forwarding(const Roots& roots, Kernel& kernel);

}  // namespace pcompose::netns
