#include "scheduler/restart.h"

#include <algorithm>

namespace pcompose::scheduler {
namespace {

constexpr Duration kFirstDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestDelay = std::chrono::minutes(1);
constexpr Duration kSteady = std::chrono::seconds(10);

}  // namespace

std::optional<Duration> RestartTracker::after_exit(int exit_code, Duration was_up, Ended ended) {
  using compose::Restart;
  if (ended == Ended::by_the_user) return std::nullopt;
  bool for_good =
      policy_.kind == Restart::no || (policy_.kind == Restart::on_failure && exit_code == 0);
  if (for_good && ended != Ended::unhealthy) return std::nullopt;
  bool counted = policy_.kind == Restart::on_failure && policy_.max_retries > 0;
  if (counted && restarts_ >= policy_.max_retries) return std::nullopt;
  bool fresh = delay_ == Duration::zero() || was_up >= kSteady;
  delay_ = fresh ? kFirstDelay : std::min(delay_ * 2, kLongestDelay);
  ++restarts_;
  return delay_;
}

}  // namespace pcompose::scheduler
