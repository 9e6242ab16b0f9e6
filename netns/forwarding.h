// Forwarding of the host: ours to turn on, and to turn off again if nobody else came to need it.
// Private to the room.
#pragma once

#include <string>
#include <vector>

#include "base/roots.h"
#include "netns/firewall.h"
#include "netns/kernel.h"

namespace pcompose::netns {

// Where forwarding is off: the links (without loopback) that must not forward to one another once
// we turn it on, also written to the run directory. Where we turned it on earlier: what was written
// then. Else nothing.
std::vector<std::string> foreign_links(const Roots& roots, Kernel& kernel, Family family);

// What was written, where anything was.
std::vector<std::string> recorded_links(const Roots& roots, Family family);

// Turns it on. For IPv6, links that take their default route from a router's advertisements are
// told to go on with that (accept_ra=2, ip-sysctl.rst): a router does not listen to others
// otherwise, and the host would lose its way out some minutes later.
void enable_forwarding(const Roots& roots, Kernel& kernel, Family family);

// With the last network: turns off what we turned on, unless a link appeared since, whose owner
// (another engine, a VPN) may have found forwarding on and now depends on it. `ours` are the names
// of our own bridges.
void release_forwarding(const Roots& roots, Kernel& kernel, const std::vector<std::string>& ours);

}  // namespace pcompose::netns
