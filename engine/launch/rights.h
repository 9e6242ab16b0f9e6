// Descriptors over a unix socket: unix(7), cmsg(3). No library, so that the keeper and the child
// can use it.
#pragma once

#include <string.h>
#include <sys/socket.h>

namespace pcompose::launch {

template <int kCapacity>
struct RightsBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * kCapacity)] = {};
};

// Puts `count` descriptors into `message`, whose control buffer lives as long as it.
template <int kCapacity>
void attach_rights(msghdr& message, RightsBuffer<kCapacity>& buffer, const int* fds, int count) {
  if (count <= 0) return;
  auto bytes = static_cast<unsigned>(count) * static_cast<unsigned>(sizeof(int));
  message.msg_control = buffer.bytes;
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(bytes));
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = static_cast<decltype(c->cmsg_len)>(CMSG_LEN(bytes));
  memcpy(CMSG_DATA(c), fds, bytes);
}

template <int kCapacity>
void expect_rights(msghdr& message, RightsBuffer<kCapacity>& buffer) {
  message.msg_control = buffer.bytes;
  message.msg_controllen = sizeof buffer.bytes;
}

// How many descriptors came; they are copied to `fds`, which has room for the buffer's capacity.
// The kernel puts all of them into one header.
inline int take_rights(msghdr& message, int* fds) {
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  if (c == nullptr || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) return 0;
  auto count = static_cast<unsigned>((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(c), count * sizeof(int));
  return static_cast<int>(count);
}

}  // namespace pcompose::launch
