// A container's life in virtual time: it ends, is probed and starts again as chance will have it,
// by the real state machines. What these may never do fails the test.
#pragma once

#include <memory>
#include <random>
#include <string>

#include "scheduler/health.h"
#include "scheduler/observed.h"
#include "scheduler/restart.h"
#include "tests/scheduler/virtual_time.h"

namespace pcompose::scheduler {

// What all lives share.
struct World {
  VirtualTime time;
  std::mt19937 random;
  bool calm = false;                                     // nothing fails any more
  long starts = 0, restarts = 0, probes = 0, turns = 0;  // turns: of health

  int pick(int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }
  bool chance(int percent) { return !calm && pick(100) < percent; }
};

struct Nature {
  compose::RestartPolicy restart;
  bool probed = false, job = false, frail = false;  // frail: ends within seconds
  HealthSettings health;
};

class Life {
 public:
  // `row` is what the engine has of the container, and outlives this.
  Life(World& world, Nature nature, ObservedContainer& row);
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  ~Life();

  // By a command: what was before counts no more.
  void start();
  void stop();
  // Pulses with every change of status or health.
  Event& changed() { return changed_; }
  [[nodiscard]] bool is_up() const {
    return row_.status == Status::running || row_.status == Status::restarting;
  }
  // As Replica has it: while anybody waits, it is probed eagerly.
  void add_waiter();
  void remove_waiter();

 private:
  struct Token {};
  void run();
  void end(int code);
  [[nodiscard]] Duration how_long();
  void expect_delay(Duration delay, Duration was_up);
  void plan_probe();
  void begin_probe();
  void end_probe(Instant began, bool good);
  void expect_turn(Health before, Health after, Instant began, bool good) const;
  void after(Duration delay, void (Life::*what)());
  void fail(const std::string& what) const;

  World& world_;
  Nature nature_;
  ObservedContainer& row_;
  Event changed_;
  RestartTracker restarts_;
  std::optional<HealthMonitor> monitor_;
  std::shared_ptr<Token> run_, probe_;  // what was asked of another run is not done
  Instant started_, probe_ended_;
  Duration last_delay_{};
  int restarted_ = 0, waiters_ = 0, failed_ = 0;
  bool probing_ = false, waited_ = false;
};

}  // namespace pcompose::scheduler
