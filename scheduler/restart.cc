#include "scheduler/restart.h"

#include <algorithm>

namespace pcompose::scheduler {
namespace {

constexpr Duration kFirstDelay = std::chrono::milliseconds(100);
constexpr Duration kLongestDelay = std::chrono::minutes(1);
constexpr Duration kSteady = std::chrono::seconds(10);

}  // namespace

std::optional<Duration> RestartTracker::after_exit(int exit_code, Duration was_up, Ended ended) {
  if (ended == Ended::by_the_user) return std::nullopt;
  using compose::Restart;
  if (policy_.kind == Restart::no) return std::nullopt;
  if (policy_.kind == Restart::on_failure) {
    if (exit_code == 0) return std::nullopt;
    if (policy_.max_retries > 0 && restarts_ >= policy_.max_retries) return std::nullopt;
  }
  bool fresh = delay_ == Duration::zero() || was_up >= kSteady;
  delay_ = fresh ? kFirstDelay : std::min(delay_ * 2, kLongestDelay);
  ++restarts_;
  return delay_;
}

}  // namespace pcompose::scheduler
