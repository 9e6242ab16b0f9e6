// Health of one container: a pure state machine over time. Nobody else decides when a probe runs or
// what it means.
#pragma once

#include <chrono>

#include "base/clock.h"

namespace pcompose::scheduler {

enum class Health { none, starting, healthy, unhealthy };
const char* health_name(
    Health health);  // "", "starting", "healthy", "unhealthy": as docker prints it

struct HealthSettings {
  Duration interval = std::chrono::seconds(30);
  Duration timeout = std::chrono::seconds(30);
  Duration start_period{};
  Duration start_interval = std::chrono::seconds(5);
  int retries = 3;
};

// Eager: somebody waits for the container to become healthy.
enum class Eagerness { none, eager };

// The schedule is the file's own (interval after the end of the last probe; start_interval inside
// the start period). While somebody waits, further probes run between its points: at once, then
// after pauses of 50 ms or an eighth of the wait so far, whatever is longer, and never shorter
// than five times the last probe's run time. Only a scheduled failure counts.
class HealthMonitor {
 public:
  HealthMonitor(HealthSettings settings, Instant started);

  [[nodiscard]] Health health() const { return health_; }
  [[nodiscard]] int failing_streak() const { return streak_; }
  [[nodiscard]] const HealthSettings& settings() const { return settings_; }
  // When the next probe is due.
  [[nodiscard]] Instant next_probe() const;
  // Goes back to a state that an earlier supervisor saw.
  void resume(Health health, int streak);
  void set_eagerness(Eagerness eagerness, Instant now);

  // A probe that began at `began` ended now. `listening`: the container listened beyond loopback on
  // a port it exposes when it began, or exposes none; an eager success without it does not count (a
  // temporary server answered).
  enum class Listening { no, yes };
  void succeeded(Instant began, Instant now, Listening listening);
  void failed(Instant began, Instant now);

 private:
  [[nodiscard]] bool in_start_period(Instant now) const;
  void schedule_after(Instant now);
  void back_off(Instant began, Instant now);

  HealthSettings settings_;
  Instant started_;
  Instant scheduled_;
  Instant eager_at_;
  Instant eager_since_;
  Eagerness eagerness_ = Eagerness::none;
  Health health_ = Health::starting;
  int streak_ = 0;
};

}  // namespace pcompose::scheduler
