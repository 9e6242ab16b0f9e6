#include "base/loop.h"

#include <atomic>

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose {
namespace {

using std::chrono::milliseconds;

// Runs one coroutine to its end.
template <class F>
void run(F body) {
  asio::io_context context(1);
  std::exception_ptr failure;
  asio::co_spawn(context, body(context.get_executor()), [&](std::exception_ptr e) { failure = e; });
  context.run();
  if (failure) std::rethrow_exception(failure);
}

TEST(TaskGroup, JoinWaitsForAll) {
  int done = 0;
  run([&](asio::any_io_executor executor) -> Task<> {
    TaskGroup group(executor);
    for (int i = 1; i <= 3; ++i) {
      group.spawn([](int ms, int& count) -> Task<> {
        co_await sleep_for(milliseconds(ms));
        ++count;
      }(i, done));
    }
    co_await group.join();
    EXPECT_EQ(done, 3);
  });
}

TEST(TaskGroup, ThrowsTheFirstFailureAndNoCancellation) {
  EXPECT_THROW(run([](asio::any_io_executor executor) -> Task<> {
                 TaskGroup group(executor);
                 group.spawn([]() -> Task<> {
                   co_await sleep_for(milliseconds(1));
                   throw Error("broken");
                 }());
                 group.spawn(sleep_for(std::chrono::hours(1)));
                 co_await sleep_for(milliseconds(5));
                 group.cancel();
                 co_await group.join();
               }),
               Error);
}

TEST(Event, SetWakesAndStays) {
  run([](asio::any_io_executor executor) -> Task<> {
    Event event(executor);
    TaskGroup group(executor);
    group.spawn(event.wait());
    co_await sleep_for(milliseconds(1));
    EXPECT_EQ(group.size(), 1U);
    event.set();
    co_await group.join();
    co_await event.wait();
  });
}

TEST(Event, AShieldedWaitIsNotCancelled) {
  run([](asio::any_io_executor executor) -> Task<> {
    Event event(executor);
    bool over = false;
    TaskGroup group(executor);
    group.spawn([](Event& e, bool& flag) -> Task<> {
      co_await wait_shielded(e);
      flag = true;
    }(event, over));
    co_await sleep_for(milliseconds(1));
    group.cancel();
    co_await sleep_for(milliseconds(1));
    EXPECT_FALSE(over);
    event.set();
    co_await group.join();
    EXPECT_TRUE(over);
  });
}

TEST(LoopThread, BringsResultsAndExceptionsBack) {
  run([](asio::any_io_executor) -> Task<> {
    LoopThread thread("test");
    auto there = co_await thread.run([] { return std::this_thread::get_id(); });
    EXPECT_NE(there, std::this_thread::get_id());
    bool thrown = false;
    try {
      co_await thread.run([]() -> int { throw Error("there"); });
    } catch (const Error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
  });
}

TEST(LoopThread, ACancelledCallerWaitsForTheEnd) {
  run([](asio::any_io_executor executor) -> Task<> {
    LoopThread thread("test");
    std::atomic<int> done = 0;
    auto call = [&]() -> Task<> { co_await thread.run([&] { return ++done; }); };
    for (int i = 0; i < 2000; ++i) {
      TaskGroup group(executor);
      group.spawn(call());
      // The call is on its way there, on its way back, or has come.
      for (int turns = i % 4; turns > 0; --turns)
        co_await asio::post(executor, asio::use_awaitable);
      group.cancel();
      co_await group.join();
      EXPECT_GE(done, i) << "a call that had begun was left";
    }
  });
}

}  // namespace
}  // namespace pcompose
