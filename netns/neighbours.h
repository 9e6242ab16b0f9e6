// Living beside firewalls whose own rules drop what they do not know. Private to the room.
#pragma once

#include <string>

#include "base/roots.h"

namespace pcompose::netns {

// Docker sets the policy of FORWARD to drop, ufw does by default: an accept of our table is not
// final, as every base chain of a hook is asked. Each leaves a chain for others' rules
// (DOCKER-USER, ufw-user-forward), and there we accept what goes to and from our bridges; what may
// really pass is our own table's to say. By the iptables programs, since the chains are theirs and
// may be legacy tables that nftables does not see. Written to the run directory first, so that a
// crash leaves nothing that leave_neighbours() does not know.
//
// `bridge` is a link's name. Repeated calls are fine. Nothing happens, in 10 us, where the host has
// no such chains. Throws Error where a rule cannot be added.
void accept_at_neighbours(const Roots& roots, const std::string& bridge);

// Takes all these rules back, with the last network. Chains that are gone are no error.
void leave_neighbours(const Roots& roots);

}  // namespace pcompose::netns
