#include "scheduler/attach_client.h"

#include <sys/socket.h>

#include "base/error.h"
#include "engine/launch/rights.h"

namespace pcompose::scheduler {
namespace {

constexpr size_t kHeader = 8;

size_t length_of(std::string_view header) {
  size_t length = 0;
  for (size_t i = 4; i < kHeader; ++i)
    length = length << 8U | static_cast<unsigned char>(header[i]);
  return length;
}

}  // namespace

AttachConnection::AttachConnection(const ControlClient& client, const std::string& target,
                                   const json::object& request, Start start,
                                   const std::string& missing)
    : socket_(client.connect(start)) {
  if (!socket_) throw Error(missing);
  send_request(socket_.get(), target, json::serialize(request),
               "Connection: Upgrade\r\nUpgrade: pcompose-attach\r\n");
}

bool AttachConnection::read(std::vector<AttachFrame>& frames) {
  char block[65536];
  iovec iov{block, sizeof block};
  launch::RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  expect_rights(message, control);
  ssize_t n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
  if (n < 0 && errno == EINTR) return true;
  if (n <= 0) return false;
  int raw = -1;
  if (launch::take_rights(message, &raw) == 1) input_ = Fd(raw);
  buffer_.append(block, static_cast<size_t>(n));
  if (in_head_) {
    size_t end = buffer_.find("\r\n\r\n");
    if (end == std::string::npos) return true;
    buffer_.erase(0, end + 4);
    in_head_ = false;
  }
  size_t at = 0;
  while (buffer_.size() - at >= kHeader) {
    size_t length = length_of(std::string_view(buffer_).substr(at, kHeader));
    if (buffer_.size() - at - kHeader < length) break;
    frames.push_back(
        {static_cast<AttachFrame::Kind>(buffer_[at]), buffer_.substr(at + kHeader, length)});
    at += kHeader + length;
  }
  buffer_.erase(0, at);
  return true;
}

}  // namespace pcompose::scheduler
