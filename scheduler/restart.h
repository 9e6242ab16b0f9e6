// Restart policy of one container: when, and whether at all, it starts again. Pure.
#pragma once

#include <optional>

#include "base/clock.h"
#include "compose/project.h"

namespace pcompose::scheduler {

// Why a container ended.
enum class Ended { by_itself, by_the_user, unhealthy };  // unhealthy: we ended it for that

// Whether it starts again with the machine: docker's rules. (on-failure is about its own failures.)
inline bool starts_at_boot(const compose::RestartPolicy& policy, bool stopped_by_user) {
  return policy.kind == compose::Restart::always ||
         (policy.kind == compose::Restart::unless_stopped && !stopped_by_user);
}

// 100 ms, doubling up to 1 min, forgotten once it was up for 10 s: docker's numbers.
class RestartTracker {
 public:
  explicit RestartTracker(compose::RestartPolicy policy) : policy_(policy) {}

  // The delay until the next start; nullopt: it stays down.
  std::optional<Duration> after_exit(int exit_code, Duration was_up, Ended ended);
  // Started by the user: it may fail as often as at first.
  void reset() { *this = RestartTracker(policy_); }
  // Goes on where an earlier supervisor was: so often it started again already.
  void resume(int restarts) { restarts_ = restarts; }
  [[nodiscard]] int restarts() const { return restarts_; }

 private:
  compose::RestartPolicy policy_;
  Duration delay_{};
  int restarts_ = 0;
};

}  // namespace pcompose::scheduler
