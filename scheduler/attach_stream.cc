#include "scheduler/attach_stream.h"

#include <sys/socket.h>

#include "scheduler/passing.h"

namespace pcompose::scheduler {
namespace {

using Socket = asio::local::stream_protocol::socket;

// As docker's attach has it: kind, three zeros, length with the highest byte first.
std::string header(uint8_t kind, size_t length) {
  std::string out(8, '\0');
  out[0] = static_cast<char>(kind);
  for (unsigned i = 0; i < 4; ++i) out[4 + i] = static_cast<char>(length >> (24U - 8U * i));
  return out;
}

// As much as the socket takes; a descriptor goes with the first byte. False where it is gone.
bool send_some(int socket, std::string& bytes, Fd& passed) {
  ssize_t n = send(socket, bytes, passed, MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  passed.reset();
  bytes.erase(0, static_cast<size_t>(n));
  return true;
}

}  // namespace

void AttachStream::push(Kind kind, const std::string& text, Fd passed) {
  if (closed_ || finished_) return;
  frames_.push_back({header(static_cast<uint8_t>(kind), text.size()) + text, std::move(passed)});
  waiting_ += text.size();
  more_.pulse();
}

Task<> AttachStream::output(engine::Stream stream, std::string text) {
  push(stream == engine::Stream::out ? Kind::out : Kind::err, text, {});
  while (is_behind()) co_await room_.wait();
}

void AttachStream::ended(int exit_code) { failed({{"result", "done"}, {"exit_code", exit_code}}); }

void AttachStream::failed(const json::object& result) {
  push(Kind::event, json::serialize(result), {});
  finished_ = true;
  more_.pulse();
}

void AttachStream::close() {
  closed_ = true;
  frames_.clear();
  waiting_ = 0;
  more_.pulse();
  room_.pulse();
}

Task<> AttachStream::send_to(Socket& socket) {
  while (!closed_) {
    if (frames_.empty()) {
      if (finished_) co_return;
      co_await more_.wait();
      continue;
    }
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    waiting_ -= frame.bytes.size() - 8;
    room_.pulse();
    while (!frame.bytes.empty()) {
      if (!send_some(socket.native_handle(), frame.bytes, frame.passed)) co_return close();
      if (!frame.bytes.empty()) co_await socket.async_wait(Socket::wait_write, asio::use_awaitable);
    }
  }
}

}  // namespace pcompose::scheduler
