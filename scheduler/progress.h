// Where a command's lines of progress go.
#pragma once

#include "base/json.h"

namespace pcompose::scheduler {

// Takes the lines of progress of one command.
class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  virtual void line(const json::object& event) = 0;
  // False where who asked for the command has gone.
  [[nodiscard]] virtual bool is_heard() const { return true; }
};

// Nobody wants to know.
class Silence final : public ProgressSink {
 public:
  void line(const json::object& /*event*/) override {}
};

}  // namespace pcompose::scheduler
