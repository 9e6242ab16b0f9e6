#include "scheduler/health.h"

#include <algorithm>

namespace pcompose::scheduler {
namespace {

constexpr Duration kShortestPause = std::chrono::milliseconds(50);
constexpr int kPauseOfWait = 8;     // so nobody waits more than an eighth longer than they must
constexpr int kPauseOfRunTime = 5;  // so probing costs a sixth of a processor at most

}  // namespace

const char* health_name(Health health) {
  switch (health) {
    case Health::starting:
      return "starting";
    case Health::healthy:
      return "healthy";
    case Health::unhealthy:
      return "unhealthy";
    case Health::none:
      break;
  }
  return "";
}

HealthMonitor::HealthMonitor(HealthSettings settings, Instant started)
    : settings_(settings), started_(started), eager_at_(started) {
  schedule_after(started);
}

bool HealthMonitor::in_start_period(Instant now) const {
  return health_ == Health::starting && now - started_ < settings_.start_period;
}

void HealthMonitor::schedule_after(Instant now) {
  scheduled_ = now + (in_start_period(now) ? settings_.start_interval : settings_.interval);
}

Instant HealthMonitor::next_probe() const {
  bool eager = eagerness_ == Eagerness::eager && health_ == Health::starting;
  return eager ? std::min(scheduled_, eager_at_) : scheduled_;
}

void HealthMonitor::resume(Health health, int streak) {
  health_ = health;
  streak_ = streak;
}

void HealthMonitor::set_eagerness(Eagerness eagerness, Instant now) {
  if (eagerness == Eagerness::eager && eagerness_ == Eagerness::none) {
    eager_at_ = eager_since_ = now;
  }
  eagerness_ = eagerness;
}

void HealthMonitor::back_off(Instant began, Instant now) {
  eager_at_ = now + std::max({kShortestPause, (now - eager_since_) / kPauseOfWait,
                              kPauseOfRunTime * (now - began)});
}

void HealthMonitor::succeeded(Instant began, Instant now, Listening listening) {
  bool scheduled = began >= scheduled_;
  if (!scheduled && listening == Listening::no) return back_off(began, now);
  health_ = Health::healthy;
  streak_ = 0;
  schedule_after(now);
}

void HealthMonitor::failed(Instant began, Instant now) {
  if (began < scheduled_) return back_off(began, now);
  bool forgiven = in_start_period(began);
  schedule_after(now);
  back_off(began, now);
  if (forgiven) return;
  if (++streak_ >= settings_.retries) health_ = Health::unhealthy;
}

}  // namespace pcompose::scheduler
