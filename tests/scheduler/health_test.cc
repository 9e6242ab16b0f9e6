#include "scheduler/health.h"

#include <gtest/gtest.h>

namespace pcompose::scheduler {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Listening = HealthMonitor::Listening;

class HealthTest : public testing::Test {
 protected:
  HealthTest() {
    settings_.interval = seconds(10);
    settings_.retries = 2;
  }
  HealthMonitor monitor() { return {settings_, clock_.now()}; }
  // Moves to the next probe and runs one that takes `runs`.
  template <class F>
  void probe(HealthMonitor& m, Duration runs, F end) {
    clock_.advance(m.next_probe() - clock_.now());
    Instant began = clock_.now();
    clock_.advance(runs);
    end(began, clock_.now());
  }
  void fail(HealthMonitor& m, Duration runs = milliseconds(1)) {
    probe(m, runs, [&](Instant b, Instant n) { m.failed(b, n); });
  }
  void succeed(HealthMonitor& m, Listening l = Listening::yes) {
    probe(m, milliseconds(1), [&](Instant b, Instant n) { m.succeeded(b, n, l); });
  }
  Duration elapsed() const { return clock_.now() - Instant(); }

  VirtualClock clock_;
  HealthSettings settings_;
};

TEST_F(HealthTest, TheFirstProbeComesAfterTheInterval) {
  auto m = monitor();
  EXPECT_EQ(m.next_probe() - clock_.now(), seconds(10));
  EXPECT_EQ(m.health(), Health::starting);
}

TEST_F(HealthTest, RetriesFailuresMakeItUnhealthyAndOneSuccessHealthy) {
  auto m = monitor();
  fail(m);
  EXPECT_EQ(m.health(), Health::starting);
  fail(m);
  EXPECT_EQ(m.health(), Health::unhealthy);
  succeed(m);
  EXPECT_EQ(m.health(), Health::healthy);
  EXPECT_EQ(m.failing_streak(), 0);
}

TEST_F(HealthTest, TheIntervalRunsFromTheEndOfAProbe) {
  auto m = monitor();
  fail(m, seconds(3));
  EXPECT_EQ(m.next_probe() - clock_.now(), seconds(10));
}

TEST_F(HealthTest, FailuresInTheStartPeriodDoNotCountAndComeFaster) {
  settings_.start_period = seconds(9);
  settings_.start_interval = seconds(2);
  auto m = monitor();
  for (int i = 0; i < 4; ++i) fail(m);
  EXPECT_EQ(m.health(), Health::starting);
  EXPECT_EQ(m.failing_streak(), 0);
  fail(m);  // began after the start period
  fail(m);
  EXPECT_EQ(m.health(), Health::unhealthy);
}

TEST_F(HealthTest, ASuccessEndsTheStartPeriod) {
  settings_.start_period = seconds(100);
  settings_.start_interval = seconds(1);
  auto m = monitor();
  succeed(m);
  fail(m);
  fail(m);
  EXPECT_EQ(m.health(), Health::unhealthy);
}

TEST_F(HealthTest, EagerProbesComeAtOnceThenAfterAnEighthOfTheWait) {
  auto m = monitor();
  clock_.advance(seconds(3));  // nobody waited yet
  m.set_eagerness(Eagerness::eager, clock_.now());
  EXPECT_EQ(m.next_probe(), clock_.now());
  while (elapsed() < milliseconds(3400)) {
    fail(m, Duration::zero());
    EXPECT_EQ(m.next_probe() - clock_.now(), milliseconds(50));
  }
  while (elapsed() < seconds(9)) {
    fail(m, Duration::zero());
    EXPECT_EQ(m.next_probe() - clock_.now(), (elapsed() - seconds(3)) / 8);
  }
}

TEST_F(HealthTest, EagerProbesLeaveFiveTimesTheirRunTime) {
  auto m = monitor();
  m.set_eagerness(Eagerness::eager, clock_.now());
  fail(m, milliseconds(300));
  EXPECT_EQ(m.next_probe() - clock_.now(), milliseconds(1500));
}

TEST_F(HealthTest, EagerFailuresNeverCount) {
  settings_.retries = 1;
  auto m = monitor();
  m.set_eagerness(Eagerness::eager, clock_.now());
  while (elapsed() < seconds(9)) {
    fail(m);
    if (m.next_probe() - Instant() >= seconds(10)) break;
  }
  EXPECT_EQ(m.health(), Health::starting);
  EXPECT_EQ(m.failing_streak(), 0);
  fail(m);  // the schedule's own
  EXPECT_EQ(m.health(), Health::unhealthy);
}

TEST_F(HealthTest, AnEagerSuccessOfAServerOnLoopbackDoesNotCount) {
  auto m = monitor();
  m.set_eagerness(Eagerness::eager, clock_.now());
  succeed(m, Listening::no);
  EXPECT_EQ(m.health(), Health::starting);
  succeed(m, Listening::yes);
  EXPECT_EQ(m.health(), Health::healthy);
}

TEST_F(HealthTest, AScheduledSuccessCountsWhereverItListens) {
  auto m = monitor();
  succeed(m, Listening::no);
  EXPECT_EQ(m.health(), Health::healthy);
}

TEST_F(HealthTest, GoesOnWhereAnotherSupervisorStopped) {
  auto m = monitor();
  m.resume(Health::healthy, 1);
  fail(m);
  EXPECT_EQ(m.health(), Health::unhealthy);
}

}  // namespace
}  // namespace pcompose::scheduler
