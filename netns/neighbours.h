// Living beside firewalls whose own rules drop what they do not know. Private to the room.
#pragma once

#include <string>
#include <string_view>

#include "base/roots.h"

namespace pcompose::netns {

// Docker sets the policy of FORWARD to drop, ufw does by default: an accept of our table is not
// final, as every base chain of a hook is asked. Each leaves a chain for others' rules
// (DOCKER-USER, ufw-user-forward), and there we accept what goes to and from our bridges; what may
// really pass is our own table's to say. By the iptables programs, since the chains are theirs and
// may be legacy tables that nftables does not see. Written to the run directory first, so that a
// crash leaves nothing that leave_neighbours() does not know. firewalld rejects what no zone lets
// through: there our bridges go into the zone "trusted" of its runtime configuration, by D-Bus.
//
// `link` is what link_at_neighbours() says. Repeated calls are fine. Nothing happens, in 10 us,
// where the host has no such chains. Throws Error where a rule cannot be added.
void accept_at_neighbours(const Roots& roots, const std::string& link);

// How a bridge is named to them: all whose names are ours at once, so two rules whatever their
// number.
std::string link_at_neighbours(const std::string& bridge);

// Whether it is such a chain: who makes or empties it drops what was accepted.
bool is_left_to_others(std::string_view chain);
constexpr std::string_view kFirewalldTable = "firewalld";

// Takes all these rules back, with the last network. Chains that are gone are no error.
void leave_neighbours(const Roots& roots);

}  // namespace pcompose::netns
