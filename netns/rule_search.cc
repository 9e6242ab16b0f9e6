#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/netlink.h"
#include "netns/marked_packets.h"

namespace pcompose::netns {

bool delivers_marked(int route, uint8_t family, uint32_t mark) {
  bool found = false;
  fib_rule_hdr header{};
  header.family = family;
  NetlinkBatch batch;
  batch.begin(RTM_GETRULE, NLM_F_DUMP, header);
  int error = request(route, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    for (const NetlinkAttribute& a : attributes(payload, sizeof(fib_rule_hdr)))
      if (a.type == FRA_FWMARK && a.as<uint32_t>() == mark) found = true;
  });
  return error == 0 && found;
}

}  // namespace pcompose::netns
