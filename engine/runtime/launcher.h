// Clones a child that carries a plan out, and talks with it until it parks or its program runs.
#pragma once

#include <functional>

#include "base/error.h"
#include "base/process.h"
#include "engine/plan.h"

namespace pcompose::engine::runtime {

// What the launcher does for the child on its way; every one may throw, which ends the child.
struct LaunchEvents {
  std::function<void(int32_t stage, pid_t pid)> on_wait;  // kStage…
  std::function<void(Fd master)> on_terminal;
  std::function<void(Fd listener, pid_t pid)> on_listener;
};

// A step of the plan failed: the program could not be executed, or something before it.
class StepError : public Error {
 public:
  StepError(std::string what, int error_number, int exit_status)
      : Error(std::move(what), error_number) {
    exit_code(exit_status);
  }
};

// A child on its way. The destructor kills and reaps it unless disown() was called.
class Launch {
 public:
  // clone3(2), into the v2 group `cgroup` where it is not -1. Single-threaded processes only.
  // Throws Error.
  Launch(const Plan& plan, int cgroup);

  // Until it parks (true), or its program runs or the child ended (false). Throws StepError.
  bool until_parked_or_running(const LaunchEvents& events);

  [[nodiscard]] pid_t pid() const { return child_->pid(); }
  [[nodiscard]] const Pidfd& pidfd() const { return child_->pidfd(); }
  Child& child() { return *child_; }

 private:
  bool receive(const LaunchEvents& events, bool& done);

  const Plan& plan_;
  Fd channel_;
  std::optional<Child> child_;
};

// What a child says on `channel`, a message. False at its end.
struct ChildMessage {
  launch::Report report;
  Fd fd;
};
bool receive_message(int channel, ChildMessage& message);
// Lets a waiting child go on. A child that has ended is no error: its end is what is read next.
void send_go(int channel);

// "mount proc on /proc: Permission denied", with the shell's exit code where the program itself
// could not be executed.
StepError step_error(const std::string& step, launch::OpCode code, int error);

}  // namespace pcompose::engine::runtime
