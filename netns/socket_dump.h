// One dump of the internet sockets of a namespace, by sock_diag(7).
#pragma once

#include <cstdint>
#include <functional>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

namespace pcompose::netns {

struct SocketChoice {
  uint8_t family;    // AF_INET, AF_INET6
  uint8_t protocol;  // IPPROTO_TCP, IPPROTO_UDP
  uint32_t states;   // bits: 1 << TCP_LISTEN
};

// `diag` is a NETLINK_SOCK_DIAG socket that was opened in the namespace. Only the table of the
// listening is small: the others walk that of the whole machine, a millisecond. 0 or an errno.
int dump_sockets(int diag, const SocketChoice& choice,
                 const std::function<void(const inet_diag_msg&)>& each);

}  // namespace pcompose::netns
