// How a supervisor hears that somebody changed the host's firewall.
#pragma once

#include <string>

#include "base/fd.h"

namespace pcompose::netns {

// A descriptor that becomes readable when nftables objects come or go, those of iptables-nft
// included (iptables-legacy tells nobody). Throws Error.
Fd watch_tables();

struct TableEvents {
  bool ours_went = false;       // our table, or rules of it: somebody flushed the ruleset
  bool others_changed = false;  // a firewall that drops what it does not know came, or forgot us
};
// Reads it empty. Where events were lost, everything may have happened. `table` is ours.
TableEvents drain_table_events(int watch, const std::string& table);

}  // namespace pcompose::netns
