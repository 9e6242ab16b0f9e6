#include "scheduler/passing.h"

#include <cerrno>
#include <sys/socket.h>

#include "engine/launch/rights.h"

namespace pcompose::scheduler {

bool receive(int socket, std::string& bytes, Fd& passed) {
  char block[65536];
  iovec iov{block, sizeof block};
  launch::RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  expect_rights(message, control);
  ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  int raw = -1;
  if (launch::take_rights(message, &raw) == 1) passed = Fd(raw);
  bytes.append(block, static_cast<size_t>(n));
  return true;
}

ssize_t send(int socket, std::string_view bytes, const Fd& passed, int flags) {
  // Only read: sendmsg(2) takes an iovec that recvmsg(2) shares.
  iovec iov{const_cast<char*>(bytes.data()), bytes.size()};
  launch::RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  int raw = passed.get();
  attach_rights(message, control, &raw, passed ? 1 : 0);
  return ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

}  // namespace pcompose::scheduler
