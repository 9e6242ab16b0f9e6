#include "scheduler/places.h"

#include <string>

#include <gtest/gtest.h>

namespace pcompose::scheduler {
namespace {

class PlacesTest : public testing::Test {
 protected:
  // Comes, notes it, and goes when told.
  Task<> visit(std::string name, Event& leaving) {
    came_ += "?" + name;
    auto place = co_await places_.enter();
    came_ += "+" + name;
    co_await leaving.wait();
    came_ += "-" + name;
  }
  // What happened since the last call, with all that it leads to.
  std::string happened() {
    context_.restart();
    context_.poll();
    return std::exchange(came_, "");
  }

  asio::io_context context_{1};
  asio::any_io_executor executor_ = context_.get_executor();
  Places places_{executor_, 2};
  Event a_{executor_}, b_{executor_}, c_{executor_}, d_{executor_};
  TaskGroup group_{executor_}, others_{executor_};
  std::string came_;
};

TEST_F(PlacesTest, SoManyAtOnceInTheOrderOfTheirCalls) {
  group_.spawn(visit("a", a_));
  group_.spawn(visit("b", b_));
  group_.spawn(visit("c", c_));
  group_.spawn(visit("d", d_));
  EXPECT_EQ(happened(), "?a+a?b+b?c?d");
  b_.set();
  EXPECT_EQ(happened(), "-b+c");
  a_.set();
  EXPECT_EQ(happened(), "-a+d");
  c_.set();
  d_.set();
  EXPECT_EQ(happened(), "-c-d");
}

TEST_F(PlacesTest, WhoIsCancelledWhileWaitingTakesNone) {
  group_.spawn(visit("a", a_));
  group_.spawn(visit("b", b_));
  others_.spawn(visit("c", c_));
  group_.spawn(visit("d", d_));
  EXPECT_EQ(happened(), "?a+a?b+b?c?d");
  others_.cancel();
  EXPECT_EQ(happened(), "");
  a_.set();
  b_.set();
  EXPECT_EQ(happened(), "-a-b+d");
  d_.set();
  EXPECT_EQ(happened(), "-d");
}

TEST_F(PlacesTest, WhoIsCancelledInTheMomentOfItsTurnGivesItOn) {
  group_.spawn(visit("a", a_));
  group_.spawn(visit("b", b_));
  others_.spawn(visit("c", c_));
  group_.spawn(visit("d", d_));
  happened();
  a_.set();
  while (came_.empty()) context_.run_one();  // a has left: it is c's turn
  others_.cancel();
  d_.set();
  EXPECT_TRUE(happened().ends_with("+d-d"));
}

}  // namespace
}  // namespace pcompose::scheduler
