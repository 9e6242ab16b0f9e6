// What goes to a client that is attached to a container: frames of events and output, in order
// (docs/protocol.md).
#pragma once

#include <deque>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "engine/output/cri.h"
#include "scheduler/progress.h"

namespace pcompose::scheduler {

// Shared by who produces (a command, a replica) and the session that sends. The producer may go on
// when the session is over, and the container may be gone when the session still sends.
class AttachStream final : public ProgressSink {
 public:
  explicit AttachStream(const asio::any_io_executor& executor) : more_(executor), room_(executor) {}

  void line(const json::object& event) override { push(Kind::event, json::serialize(event), {}); }
  // Waits while the client is behind: a container that prints faster than it is read has to wait,
  // and nothing is dropped. Returns at once where the client has gone.
  Task<> output(engine::Stream stream, std::string text);
  // The container runs. `input` is where its stdin, or its terminal, is written to; maybe nothing.
  void started(const json::object& event, Fd input) {
    push(Kind::event, json::serialize(event), std::move(input));
  }
  // Its first process has ended, and all it printed was given to output().
  void ended(int exit_code);
  // The command failed; nothing runs.
  void failed(const json::object& result);
  // The client has gone.
  void close();

  [[nodiscard]] bool is_behind() const { return !closed_ && waiting_ > kMostWaiting; }
  [[nodiscard]] bool is_closed() const { return closed_; }

  // Sends until the last frame has gone or the client has. Throws what the socket throws.
  Task<> send_to(asio::local::stream_protocol::socket& socket);

  uint16_t rows = 0, columns = 0;  // of the client's terminal
  bool owns_input = false;         // the container's stdin ends with the client's

 private:
  enum class Kind : uint8_t { event = 0, out = 1, err = 2 };
  struct Frame {
    std::string bytes;
    Fd passed;
  };
  static constexpr size_t kMostWaiting = 1U << 20U;
  void push(Kind kind, const std::string& text, Fd passed);

  std::deque<Frame> frames_;
  size_t waiting_ = 0;  // bytes
  Event more_;          // frames came, or the end
  Event room_;          // fewer bytes wait
  bool finished_ = false, closed_ = false;
};

}  // namespace pcompose::scheduler
