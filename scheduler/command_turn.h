// One command at a time; the others wait and are told so.
#pragma once

#include "scheduler/supervisor.h"

namespace pcompose::scheduler {

class Supervisor::CommandTurn {
 public:
  explicit CommandTurn(Supervisor& s) : supervisor_(s), busy_(s) {}
  CommandTurn(const CommandTurn&) = delete;
  CommandTurn& operator=(const CommandTurn&) = delete;
  // A command whose client has gone may wait for what never comes: it holds nobody up.
  Task<> take(ProgressSink& progress) {
    if (supervisor_.commander_ != nullptr)
      progress.line({{"waiting", "another command is at work on this project"}});
    while (supervisor_.commander_ != nullptr) {
      if (!supervisor_.commander_->is_heard()) supervisor_.cancel_command();
      co_await supervisor_.turn_over_.wait();
    }
    supervisor_.commander_ = &progress;
    taken_ = true;
  }
  ~CommandTurn() {
    if (!taken_) return;
    supervisor_.commander_ = nullptr;
    supervisor_.worked_ = true;
    supervisor_.turn_over_.pulse();
  }

 private:
  Supervisor& supervisor_;
  Busy busy_;
  bool taken_ = false;
};

}  // namespace pcompose::scheduler
