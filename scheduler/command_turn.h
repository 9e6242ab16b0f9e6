// One command at a time; the others wait and are told so.
#pragma once

#include "scheduler/supervisor.h"

namespace pcompose::scheduler {

class Supervisor::CommandTurn {
 public:
  explicit CommandTurn(Supervisor& s) : supervisor_(s), busy_(s) {}
  CommandTurn(const CommandTurn&) = delete;
  CommandTurn& operator=(const CommandTurn&) = delete;
  Task<> take(ProgressSink& progress) {
    if (supervisor_.commanded_)
      progress.line({{"waiting", "another command is at work on this project"}});
    while (supervisor_.commanded_) co_await supervisor_.turn_over_.wait();
    supervisor_.commanded_ = taken_ = true;
  }
  ~CommandTurn() {
    if (!taken_) return;
    supervisor_.commanded_ = false;
    supervisor_.worked_ = true;
    supervisor_.turn_over_.pulse();
  }

 private:
  Supervisor& supervisor_;
  Busy busy_;
  bool taken_ = false;
};

}  // namespace pcompose::scheduler
