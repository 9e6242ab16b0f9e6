// The rtnetlink(7) messages that links.cc and parent_links.cc share. Private to the room.
#pragma once

#include <linux/rtnetlink.h>
#include <string>

#include "base/netlink.h"
#include "netns/ip.h"

namespace pcompose::netns {

inline ifinfomsg any_link() { return {}; }

void put_address(NetlinkBatch& batch, int index, const Ip& address, int prefix_length);
void put_default_route(NetlinkBatch& batch, int index, const Ip& gateway);
void put_up(NetlinkBatch& batch, const std::string& link);
// 0 where there is none. Throws Error.
int find_link(int route, const std::string& name);
// Waits until the link's operational state (RFC 2863) is up. Throws Error after 2 s.
void wait_operational(int route, const std::string& name);

}  // namespace pcompose::netns
