#include "scheduler/attach_client.h"

#include "base/error.h"
#include "scheduler/passing.h"

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
  if (!receive(socket_.get(), buffer_, input_)) return false;
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
