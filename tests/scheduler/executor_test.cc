#include "scheduler/executor.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::scheduler {
namespace {

// Takes a millisecond for everything; fails what it is told to.
class FakeRuntime final : public Runtime, public EventSink {
 public:
  Task<> perform(const Operation& operation) override {
    std::string what = describe(operation);
    log += "+" + what + "\n";
    co_await sleep_for(std::chrono::milliseconds(hang == what ? 10000 : 1));
    if (what == fail) throw Error(what + " failed");
    log += "-" + what + "\n";
  }
  void begun(const Operation&) override {}
  void ended(const Operation&, Outcome) override { ++over; }

  std::string fail, hang, log;
  int over = 0;
};

Node node(const std::string& name, std::vector<NodeId> after, bool best_effort = false) {
  return {RemoveVolume{name}, "", std::move(after), best_effort};
}

ExecutionResult run(const Plan& plan, FakeRuntime& runtime, bool cancel = false) {
  asio::io_context context(1);
  ExecutionResult result;
  Execution execution(context.get_executor(), plan, runtime, runtime);
  asio::co_spawn(context, [&]() -> Task<> { result = co_await execution.run(); }, asio::detached);
  if (cancel) {
    asio::co_spawn(
        context,
        [&]() -> Task<> {
          co_await sleep_for(std::chrono::milliseconds(20));
          execution.cancel();
        },
        asio::detached);
  }
  context.run();
  return result;
}

TEST(Executor, HonoursTheOrder) {
  Plan plan{{node("a", {}), node("b", {0}), node("c", {1})}};
  FakeRuntime runtime;
  run(plan, runtime);
  EXPECT_EQ(runtime.log,
            "+remove volume a\n-remove volume a\n+remove volume b\n-remove volume b\n+remove "
            "volume c\n-remove volume c\n");
}

TEST(Executor, KeepsToALimit) {
  Plan plan{{node("a", {}), node("b", {}), {AwaitReady{"c"}, "", {}}}};
  FakeRuntime runtime;
  asio::io_context context(1);
  Execution execution(context.get_executor(), plan, runtime, runtime, 1);
  asio::co_spawn(context, [&]() -> Task<> { co_await execution.run(); }, asio::detached);
  context.run();
  // Who waits takes nobody's place.
  EXPECT_LT(runtime.log.find("+wait"), runtime.log.find("-remove volume a")) << runtime.log;
  EXPECT_LT(runtime.log.find("-remove volume a"), runtime.log.find("+remove volume b"))
      << runtime.log;
}

TEST(Executor, RunsAtOnceWhatMay) {
  Plan plan{{node("a", {}), node("b", {})}};
  FakeRuntime runtime;
  run(plan, runtime);
  EXPECT_TRUE(runtime.log.starts_with("+remove volume a\n+remove volume b\n"));
}

TEST(Executor, AFailureSkipsWhatNeedsItAndNothingElse) {
  Plan plan{{node("a", {}), node("b", {0}), node("c", {1}), node("d", {}), node("e", {0}, true)}};
  FakeRuntime runtime;
  runtime.fail = "remove volume a";
  auto result = run(plan, runtime);
  using enum Outcome;
  EXPECT_EQ(result.outcomes, (std::vector<Outcome>{failed, skipped, skipped, done, done}));
  EXPECT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(runtime.over, 5);
}

TEST(Executor, ACancelledPlanEnds) {
  Plan plan{{node("a", {}), node("b", {0}), node("c", {1})}};
  FakeRuntime runtime;
  runtime.hang = "remove volume b";
  auto result = run(plan, runtime, true);
  using enum Outcome;
  EXPECT_EQ(result.outcomes, (std::vector<Outcome>{done, pending, pending}));
}

}  // namespace
}  // namespace pcompose::scheduler
