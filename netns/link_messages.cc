#include "netns/link_messages.h"

#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <thread>

#include "base/error.h"

namespace pcompose::netns {
namespace {

// IF_OPER_UP of linux/if.h, which cannot be included beside net/if.h.
constexpr uint8_t kOperational = 6;
constexpr auto kSettlePause = std::chrono::milliseconds(1);
constexpr int kSettleTries = 2000;

void put_ip(NetlinkBatch& batch, uint16_t type, const Ip& address) {
  if (const Ipv6* v6 = address.v6()) return batch.put(type, v6->bytes.data(), v6->bytes.size());
  batch.put(type, htonl(address.v4()->value));
}

uint8_t family_of(const Ip& address) { return address.v6() != nullptr ? AF_INET6 : AF_INET; }

void put_link_query(NetlinkBatch& batch, const std::string& name) {
  batch.begin(RTM_GETLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, name);
  // Statistics make half of the answer and most of its cost.
  batch.put(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_SKIP_STATS});
}

// By the operational state (RFC 2863), which only the link watcher sets.
bool is_operational(int route, const std::string& name) {
  bool up = false;
  NetlinkBatch batch;
  put_link_query(batch, name);
  int error = request(route, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    for (const NetlinkAttribute& a : attributes(payload, sizeof(ifinfomsg))) {
      if (a.type == IFLA_OPERSTATE) up = a.as<uint8_t>() == kOperational;
    }
  });
  if (error != 0) throw Error("look at the link " + name, error);
  return up;
}

}  // namespace

void put_address(NetlinkBatch& batch, int index, const Ip& address, int prefix_length) {
  ifaddrmsg header{};
  header.ifa_family = family_of(address);
  header.ifa_prefixlen = static_cast<uint8_t>(prefix_length);
  header.ifa_index = static_cast<unsigned>(index);
  // Nobody else has it: we gave it. Until a duplicate were ruled out (a second) it could not be
  // used.
  if (address.v6() != nullptr) header.ifa_flags = IFA_F_NODAD;
  batch.begin(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, header);
  put_ip(batch, IFA_LOCAL, address);
  put_ip(batch, IFA_ADDRESS, address);
}

void put_default_route(NetlinkBatch& batch, int index, const Ip& gateway) {
  rtmsg header{};
  header.rtm_family = family_of(gateway);
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  batch.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header);
  put_ip(batch, RTA_GATEWAY, gateway);
  batch.put(RTA_OIF, index);
}

void put_up(NetlinkBatch& batch, const std::string& link) {
  ifinfomsg header{};
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, NLM_F_ACK, header);
  batch.put_string(IFLA_IFNAME, link);
}

int find_link(int route, const std::string& name) {
  int index = 0;
  NetlinkBatch batch;
  put_link_query(batch, name);
  int error = request(route, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    ifinfomsg link;
    if (payload.size() < sizeof link) return;
    std::memcpy(&link, payload.data(), sizeof link);
    index = link.ifi_index;
  });
  if (error != 0 && error != ENODEV) throw Error("look for the link " + name, error);
  return index;
}

void wait_operational(int route, const std::string& name) {
  for (int i = 0; i < kSettleTries; ++i) {
    if (is_operational(route, name)) return;
    std::this_thread::sleep_for(kSettlePause);
  }
  throw Error("the link " + name + " does not come up");
}

}  // namespace pcompose::netns
