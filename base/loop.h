// The event loop's vocabulary: coroutines, waits, a group that owns what runs at once.
#pragma once

#include <chrono>
#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <boost/asio.hpp>

#include "base/fd.h"

namespace pcompose {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

// A flag that coroutines of one loop wait for. set() wakes all; it stays set until clear().
class Event {
 public:
  explicit Event(asio::any_io_executor executor);
  void set();
  void clear() { set_ = false; }
  [[nodiscard]] bool is_set() const { return set_; }
  // Wakes everyone who waits now without setting the flag.
  void pulse();
  // Returns when set or pulsed; throws system_error(operation_aborted) when the coroutine is
  // cancelled.
  Task<> wait();

 private:
  asio::steady_timer timer_;
  bool set_ = false;
};

// Owns concurrent coroutines of one loop: they end before it does. No coroutine is ever detached
// from a group.
class TaskGroup {
 public:
  explicit TaskGroup(asio::any_io_executor executor);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup();  // cancels what still runs; an orderly end is cancel() and join()

  void spawn(Task<> task);
  // Asks all to stop (terminal cancellation). They have not ended when this returns.
  void cancel();
  // Waits for all. Throws the first exception that was not a cancellation. A cancelled join still
  // waits.
  Task<> join();
  [[nodiscard]] size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Waits for the event and cannot be cancelled: for what must not be left half done.
Task<> wait_shielded(Event& event);
Task<> sleep_for(std::chrono::steady_clock::duration how_long);
// Waits until poll(2) would say readable. The descriptor stays the caller's.
Task<> wait_readable(int fd);

// True for the exception that a cancelled wait throws.
bool is_cancellation(const std::exception_ptr& error);

// One thread with a loop of its own, for work that must not be on the main loop (rtnetlink, locks).
class LoopThread {
 public:
  explicit LoopThread(const std::string& name);
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread();  // finishes what was posted, then joins

  // Runs f() on the thread; the caller's coroutine goes on, on its own loop, with the result or
  // exception. A cancelled call runs to its end, too: with the caller's slot bound, asio would
  // reach for it from this thread while the caller's gives it up.
  template <class F>
  auto run(F f) -> Task<decltype(f())> {
    return asio::co_spawn(
        context_, [](F body) -> Task<decltype(f())> { co_return body(); }(std::move(f)),
        asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
  }
  // Runs f() on the thread, after what was posted before; nobody waits. f() does not throw.
  template <class F>
  void post(F f) {
    asio::post(context_, std::move(f));
  }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace pcompose
