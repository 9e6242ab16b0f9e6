// What PID 1 of a container can still do about its stop signal, as far as /proc tells.
#pragma once

#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "base/clock.h"

namespace pcompose::scheduler {

// PID 1 of a pid namespace does not get a signal that it has no handler for (pid_namespaces(7)):
// the signal is lost, and waiting for it would be waiting for the grace period to pass. See
// docs/decisions/0006-shortened-grace.md.
class StopSignal {
 public:
  enum class Reaction {
    possible,  // or in doubt
    unlikely,  // as far as one look can tell
    none,      // it will not react before the grace period is over
    missed     // it had no handler when the signal came and has one now. Told once.
  };
  enum class Others { none, some };

  // Just before the signal is sent.
  StopSignal(pid_t pid, int signal);

  // Some time after it was sent. `others`: further processes of the container; `left`: what is left
  // of the grace period.
  Reaction look(Others others, Duration left);

 private:
  struct Thread;
  [[nodiscard]] std::vector<Thread> threads() const;
  bool wakes_in_time(const Thread& thread, Duration left);

  pid_t pid_;
  int signal_;
  // From the beginning, or in doubt: what has a handler may take it away once it was called.
  bool heeded_ = true;
  bool lost_ = false;
  int looks_ = 0;  // in a row, without a doubt
  struct Wait {
    std::string place, wakes;  // where it waits; how often it has woken
  };
  std::map<pid_t, Wait> first_waits_;  // by thread
};

}  // namespace pcompose::scheduler
