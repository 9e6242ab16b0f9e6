// What the supervisor tells pcompose-forwarder: one plain struct a message over a SOCK_SEQPACKET
// socket, listeners by SCM_RIGHTS. `add` is not answered: who sends has bound and listens already.
// What gives a port back is, by the same message, so that who sent it may take the port again.
#pragma once

#include <cstdint>

namespace pcompose::netns::forwarder {

constexpr uint32_t kVersion = 1;
constexpr int kControlFd = 3;   // of the forwarder
constexpr int kHomeFd = 4;      // … the network namespace to live in, with the argument --enter
constexpr int kKeyBytes = 200;  // with the NUL

enum class Type : uint32_t {
  add = 1,     // with the listener; one of the same key and target is kept as it is
  remove = 2,  // the listener of this key goes, its connections stay
  quit = 3,
};

struct Message {
  uint32_t version = kVersion;
  Type type = Type::add;
  uint8_t is_udp = 0;
  uint8_t is_ipv6 = 0;  // the target
  // The socket to the target gets the client's own address (IP_TRANSPARENT, ip(7)), where families
  // are the same and the client is not on loopback. The namespace must lead the answers back.
  uint8_t keep_client = 0;
  uint8_t unused = 0;
  uint16_t target_port = 0;  // host byte order
  uint8_t target[16] = {};   // network byte order, IPv4 in the first four
  char key[kKeyBytes] = {};
};

}  // namespace pcompose::netns::forwarder
