#include "tests/scheduler/container_life.h"

#include <gtest/gtest.h>

namespace pcompose::scheduler {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

}  // namespace

Life::Life(World& world, Nature nature, ObservedContainer& row)
    : world_(world),
      nature_(nature),
      row_(row),
      changed_(world.time.executor()),
      restarts_(nature.restart) {}

Life::~Life() = default;

void Life::fail(const std::string& what) const { ADD_FAILURE() << row_.name << ": " << what; }

// Unless it runs anew, or no more, by then.
void Life::after(Duration delay, void (Life::*what)()) {
  std::weak_ptr<Token> run = run_;
  world_.time.at(world_.time.now() + delay, [this, run, what] {
    if (!run.expired()) (this->*what)();
  });
}

void Life::start() {
  restarts_.reset();
  restarted_ = 0;
  last_delay_ = {};
  run();
}

void Life::run() {
  ++world_.starts;
  run_ = std::make_shared<Token>();
  started_ = world_.time.now();
  row_.status = Status::running;
  row_.health = nature_.probed ? Health::starting : Health::none;
  monitor_.reset();
  probing_ = false;
  failed_ = 0;
  probe_ended_ = started_;
  if (nature_.probed) {
    monitor_.emplace(nature_.health, started_);
    if (waiters_ > 0) monitor_->set_eagerness(Eagerness::eager, started_);
    plan_probe();
  }
  std::weak_ptr<Token> current = run_;
  world_.time.at(started_ + how_long(), [this, current] {
    if (current.expired()) return;
    bool well = world_.calm || (nature_.job ? world_.pick(100) < 98 : world_.pick(100) < 30);
    // In calm nothing ends but jobs.
    if (!world_.calm || nature_.job) end(well ? 0 : 1 + world_.pick(140));
  });
  changed_.pulse();
}

Duration Life::how_long() {
  if (nature_.job) return milliseconds(10 + world_.pick(5000));
  if (nature_.frail && world_.chance(95)) return milliseconds(1 + world_.pick(12000));
  return minutes(1 + world_.pick(24 * 60));
}

void Life::stop() {
  run_.reset();
  probe_.reset();
  monitor_.reset();
  row_.status = Status::exited;
  row_.exit_code = 143;
  row_.health = Health::none;
  if (restarts_.after_exit(143, world_.time.now() - started_, Ended::by_the_user))
    fail("starts again although the user stopped it");
  changed_.pulse();
}

void Life::end(int code) {
  run_ = std::make_shared<Token>();
  probe_.reset();
  monitor_.reset();
  row_.exit_code = code;
  row_.health = Health::none;
  Duration was_up = world_.time.now() - started_;
  auto delay = restarts_.after_exit(code, was_up, Ended::by_itself);
  row_.status = delay ? Status::restarting : Status::exited;
  using compose::Restart;
  const auto& policy = nature_.restart;
  bool counted = policy.max_retries == 0 || restarted_ < policy.max_retries;
  bool wanted = policy.kind == Restart::always || policy.kind == Restart::unless_stopped ||
                (policy.kind == Restart::on_failure && code != 0 && counted);
  if (wanted != delay.has_value()) fail("its policy is not kept");
  if (delay) {
    expect_delay(*delay, was_up);
    ++restarted_;
    ++world_.restarts;
    after(*delay, &Life::run);
  }
  changed_.pulse();
}

// 100 ms, twice as long each time up to a minute, and 100 ms again after ten seconds of life.
void Life::expect_delay(Duration delay, Duration was_up) {
  bool first = last_delay_ == Duration::zero() || was_up >= seconds(10);
  Duration wanted = first ? milliseconds(100) : std::min<Duration>(last_delay_ * 2, minutes(1));
  if (delay != wanted) fail("starts again too soon or too late");
  last_delay_ = delay;
}

void Life::add_waiter() {
  ++waiters_;
  waited_ = true;
  if (!monitor_) return;
  monitor_->set_eagerness(Eagerness::eager, world_.time.now());
  plan_probe();
}

void Life::remove_waiter() {
  if (--waiters_ > 0 || !monitor_) return;
  monitor_->set_eagerness(Eagerness::none, world_.time.now());
  plan_probe();
}

// What was planned before is not done.
void Life::plan_probe() {
  if (!monitor_ || probing_) return;
  probe_ = std::make_shared<Token>();
  std::weak_ptr<Token> current = probe_;
  Instant due = std::max(monitor_->next_probe(), world_.time.now());
  world_.time.at(due, [this, current] {
    if (!current.expired()) begin_probe();
  });
}

void Life::begin_probe() {
  if (probing_) fail("two probes at a time");
  probing_ = true;
  ++world_.probes;
  Instant began = world_.time.now();
  const HealthSettings& s = nature_.health;
  bool in_start = row_.health == Health::starting && began - started_ < s.start_period;
  Duration pause = began - probe_ended_;
  if (waiters_ == 0 && !waited_ && pause < std::min(s.interval, s.start_interval))
    fail("is probed too soon");
  if (pause > (in_start ? s.start_interval : s.interval)) fail("is probed too late");
  waited_ = waiters_ > 0;
  bool good = !world_.chance(nature_.frail ? 40 : 3);
  // One that hangs fails at its timeout.
  Duration runs = !good && world_.chance(30) ? s.timeout : milliseconds(1 + world_.pick(200));
  std::weak_ptr<Token> current = run_;
  world_.time.at(began + runs, [this, current, began, good] {
    if (!current.expired() && monitor_) end_probe(began, good);
  });
}

void Life::end_probe(Instant began, bool good) {
  probing_ = false;
  probe_ended_ = world_.time.now();
  Health before = row_.health;
  failed_ = good ? 0 : failed_ + 1;
  if (good)
    monitor_->succeeded(began, probe_ended_, HealthMonitor::Listening::yes);
  else
    monitor_->failed(began, probe_ended_);
  row_.health = monitor_->health();
  expect_turn(before, row_.health, began, good);
  if (row_.health != before) {
    ++world_.turns;
    changed_.pulse();
  }
  plan_probe();
}

void Life::expect_turn(Health before, Health after, Instant began, bool good) const {
  if (good && after != Health::healthy) fail("succeeded, and is not healthy");
  if (before == after) {
    bool forgiven = before == Health::starting && began - started_ < nature_.health.start_period;
    bool waited = waited_ || waiters_ > 0;
    if (!good && !waited && !forgiven && failed_ >= nature_.health.retries &&
        after != Health::unhealthy &&
        began - started_ >
            nature_.health.start_period + nature_.health.interval * (nature_.health.retries + 1))
      fail("failed often enough, and is not unhealthy");
    return;
  }
  if (after == Health::starting || after == Health::none) fail("starts again without a start");
  if (after == Health::healthy && !good) fail("is healthy by a failure");
  if (after != Health::unhealthy) return;
  if (good || failed_ < nature_.health.retries) fail("is unhealthy too soon");
  if (before == Health::starting && began - started_ < nature_.health.start_period)
    fail("is unhealthy in its start period");
}

}  // namespace pcompose::scheduler
