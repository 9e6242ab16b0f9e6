#include "scheduler/restart.h"

#include <gtest/gtest.h>

namespace pcompose::scheduler {
namespace {

using compose::Restart;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Restart, NoMeansNo) {
  EXPECT_FALSE(RestartTracker({Restart::no, 0}).after_exit(1, seconds(1), Ended::by_itself));
}

TEST(Restart, BacksOffAndForgets) {
  RestartTracker t({Restart::always, 0});
  EXPECT_EQ(t.after_exit(0, milliseconds(1), Ended::by_itself), milliseconds(100));
  EXPECT_EQ(t.after_exit(0, milliseconds(1), Ended::by_itself), milliseconds(200));
  for (int i = 0; i < 20; ++i) t.after_exit(0, milliseconds(1), Ended::by_itself);
  EXPECT_EQ(t.after_exit(0, milliseconds(1), Ended::by_itself), std::chrono::minutes(1));
  EXPECT_EQ(t.after_exit(0, seconds(10), Ended::by_itself), milliseconds(100));
}

TEST(Restart, OnFailureWantsAFailureAndCounts) {
  RestartTracker t({Restart::on_failure, 2});
  EXPECT_FALSE(t.after_exit(0, seconds(1), Ended::by_itself));
  EXPECT_TRUE(t.after_exit(1, seconds(1), Ended::by_itself));
  EXPECT_TRUE(t.after_exit(1, seconds(1), Ended::by_itself));
  EXPECT_FALSE(t.after_exit(1, seconds(1), Ended::by_itself));
}

TEST(Restart, WhatWasUnhealthyStartsAgainWhateverThePolicy) {
  EXPECT_EQ(RestartTracker({Restart::no, 0}).after_exit(0, seconds(1), Ended::unhealthy),
            milliseconds(100));
  RestartTracker t({Restart::on_failure, 1});
  EXPECT_TRUE(t.after_exit(0, seconds(1), Ended::unhealthy));
  EXPECT_FALSE(t.after_exit(0, seconds(1), Ended::unhealthy));
}

TEST(Restart, AStartByTheUserBeginsAnew) {
  RestartTracker t({Restart::on_failure, 1});
  EXPECT_EQ(t.after_exit(1, milliseconds(1), Ended::by_itself), milliseconds(100));
  EXPECT_FALSE(t.after_exit(1, milliseconds(1), Ended::by_itself));
  t.reset();
  EXPECT_EQ(t.after_exit(1, milliseconds(1), Ended::by_itself), milliseconds(100));
  EXPECT_EQ(t.restarts(), 1);
}

TEST(Restart, WithTheMachineStartsWhatDockerStarts) {
  EXPECT_TRUE(starts_at_boot({Restart::always, 0}, true));
  EXPECT_TRUE(starts_at_boot({Restart::unless_stopped, 0}, false));
  EXPECT_FALSE(starts_at_boot({Restart::unless_stopped, 0}, true));
  EXPECT_FALSE(starts_at_boot({Restart::on_failure, 0}, false));
  EXPECT_FALSE(starts_at_boot({Restart::no, 0}, false));
}

TEST(Restart, ASuccessorGoesOnCounting) {
  RestartTracker t({Restart::on_failure, 2});
  t.resume(1);
  EXPECT_TRUE(t.after_exit(1, milliseconds(1), Ended::by_itself));
  EXPECT_FALSE(t.after_exit(1, milliseconds(1), Ended::by_itself));
}

TEST(Restart, WhatTheUserStoppedStaysDown) {
  EXPECT_FALSE(
      RestartTracker({Restart::unless_stopped, 0}).after_exit(0, seconds(1), Ended::by_the_user));
  EXPECT_TRUE(
      RestartTracker({Restart::unless_stopped, 0}).after_exit(0, seconds(1), Ended::by_itself));
}

}  // namespace
}  // namespace pcompose::scheduler
