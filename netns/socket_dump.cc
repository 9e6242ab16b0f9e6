#include "netns/socket_dump.h"

#include <linux/netlink.h>

#include "base/netlink.h"

namespace pcompose::netns {

int dump_sockets(int diag, const SocketChoice& choice,
                 const std::function<void(const inet_diag_msg&)>& each) {
  inet_diag_req_v2 ask{};
  ask.sdiag_family = choice.family;
  ask.sdiag_protocol = choice.protocol;
  ask.idiag_states = choice.states;
  NetlinkBatch batch;
  batch.begin(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, ask);
  return request(diag, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    inet_diag_msg m;
    if (payload.size() < sizeof m) return;
    std::memcpy(&m, payload.data(), sizeof m);
    each(m);
  });
}

}  // namespace pcompose::netns
