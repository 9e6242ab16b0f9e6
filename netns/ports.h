// Host ports: taken by binding them before anything starts, so that a conflict is found in time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "netns/network_store.h"

namespace pcompose::netns {

// A port that is ours while `socket` is open: bound, not listening. nftables sends the packets
// elsewhere before they reach it; without our table a client is refused at once and does not hang.
// The forwarder listens on it where a port has to be spliced.
struct ReservedPort {
  Fd socket;
  Ip host;
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
};

// What to reserve: one of `first`..`last` (0: any free one).
struct PortWish {
  std::string host_ip;  // "": every address of both families
  uint16_t first = 0;
  uint16_t last = 0;  // 0: just `first`
  Protocol protocol = Protocol::tcp;
};

// The addresses that a written host address means: both wildcards for "", the second one only
// where the host has IPv6. Throws Error for what is no address.
std::vector<Ip> host_addresses(const std::string& host_ip);

// Takes the port in the calling thread's namespace, on every address of the wish. Empty where it is
// in use; `taken` is then what could not be had. Throws Error for everything else.
std::vector<ReservedPort> try_reserve(const PortWish& wish, PortRow& taken);
// The same from a socket that was reserved earlier. Throws Error.
ReservedPort bound_port(Fd socket);
// The lowest port above `after` that could be had; nullopt where none of the next 64 is.
std::optional<uint16_t> next_free(const PortWish& wish, uint16_t after);

// The conflict in words, with a free port as the hint:
//   port 127.0.0.1:8080/tcp is in use by nginx (pid 4711) (port 8081 is free)
// `holder` as port_holder() gives it.
Error port_in_use(const PortWish& wish, const PortRow& taken, const std::string& holder);

// Who holds the port, in words: "nginx (pid 4711)", "a process of user bob", "another process".
// Blocks some 10 ms.
std::string port_holder(const Ip& host, uint16_t port, Protocol protocol);

// "127.0.0.1:8080/tcp", "[::1]:8080/tcp", "8080/tcp" for every address.
std::string port_text(const Ip& host, uint16_t port, Protocol protocol);

}  // namespace pcompose::netns
