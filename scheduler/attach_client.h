// A client's side of `run` and `attach` (docs/protocol.md): frames of events and output.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "scheduler/control_client.h"

namespace pcompose::scheduler {

struct AttachFrame {
  enum class Kind : uint8_t { event = 0, out = 1, err = 2 };
  Kind kind;
  std::string bytes;
};

class AttachConnection {
 public:
  // Sends the request. Throws Error where nobody can be reached; `missing` says so in words.
  AttachConnection(const ControlClient& client, const std::string& target,
                   const json::object& request, Start start, const std::string& missing);

  // To wait for.
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  // Reads what is there, or waits for something; false where the other side has gone.
  bool read(std::vector<AttachFrame>& frames);
  // Where the container's stdin, or its terminal, is written to. Once it has started; may be
  // nothing.
  Fd take_input() { return std::move(input_); }

 private:
  Fd socket_;
  Fd input_;
  std::string buffer_;
  bool in_head_ = true;
};

}  // namespace pcompose::scheduler
