// Host ports: taken by binding them before anything starts, so that a conflict is found in time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "netns/network_store.h"

namespace pcompose::netns {

// A port that is ours while `socket` is open: bound, never listening. nftables sends the packets
// elsewhere before they reach it; without our table a client is refused at once and does not hang.
struct ReservedPort {
  Fd socket;
  Ipv4 host;
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
};

// Takes `port` (0: any free one) on `host_ip` ("" or "0.0.0.0": every address) in the calling
// thread's namespace. Throws Error:
//   port 127.0.0.1:8080/tcp is in use by nginx (pid 4711) (port 8081 is free)
// and for an IPv6 or unparsable host_ip. Blocks some 10 ms where a holder has to be found.
ReservedPort reserve_port(const std::string& host_ip, uint16_t port, Protocol protocol);

// The same; nullopt where the port is in use.
std::optional<ReservedPort> try_reserve(Ipv4 host, uint16_t port, Protocol protocol);
// The conflict in words, with a free port as the hint. `holder` as port_holder() gives it.
Error port_in_use(Ipv4 host, uint16_t port, Protocol protocol, const std::string& holder);

// "", "0.0.0.0" and IPv4 addresses. Throws Error ("not supported yet" for IPv6).
Ipv4 parse_host_ip(const std::string& host_ip);

// Who holds the port, in words: "nginx (pid 4711)", "a process of user bob", "another process".
std::string port_holder(Ipv4 host, uint16_t port, Protocol protocol);

// "127.0.0.1:8080/tcp", "8080/tcp" for every address.
std::string port_text(Ipv4 host, uint16_t port, Protocol protocol);

}  // namespace pcompose::netns
