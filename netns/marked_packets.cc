// Packets for sockets that are bound to an address of somebody else: by a mark they come to a
// routing table in which every destination is this host (Documentation/networking/tproxy.rst).
#include <cerrno>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "base/error.h"
#include "netns/kernel.h"

namespace pcompose::netns {
namespace {

constexpr uint32_t kTable = 1804;
constexpr uint32_t kPriority = 1804;  // said, so that the same rule is known again

void put_rule(NetlinkBatch& batch, uint8_t family, uint32_t mark) {
  fib_rule_hdr header{};
  header.family = family;
  header.action = FR_ACT_TO_TBL;
  batch.begin(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, header);
  batch.put(FRA_PRIORITY, kPriority);
  batch.put(FRA_FWMARK, mark);
  batch.put(FRA_FWMASK, ~uint32_t{0});
  batch.put(FRA_TABLE, kTable);
}

void put_everywhere_is_here(NetlinkBatch& batch, uint8_t family, int loopback) {
  rtmsg header{};
  header.rtm_family = family;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_LOCAL;
  header.rtm_scope = RT_SCOPE_HOST;
  batch.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header);
  batch.put(RTA_TABLE, kTable);
  batch.put(RTA_OIF, loopback);
}

}  // namespace

void Kernel::deliver_marked(uint32_t mark) {
  int loopback = link_index("lo");
  for (uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
    NetlinkBatch route, rule;
    put_everywhere_is_here(route, family, loopback);
    int error = send_batch(route_.get(), route);
    put_rule(rule, family, mark);
    if (error == 0) error = send_batch(route_.get(), rule);
    if (error == 0 || error == EEXIST) continue;
    if (family == AF_INET6) continue;  // a kernel without it
    throw Error("lead answers to the forwarder", error);
  }
}

}  // namespace pcompose::netns
