// What happens when, in virtual time, around a loop whose coroutines wait for nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "base/clock.h"
#include "base/loop.h"

namespace pcompose::scheduler {

class VirtualTime {
 public:
  [[nodiscard]] Instant now() const { return clock_.now(); }
  asio::any_io_executor executor() { return loop_.get_executor(); }

  // Runs `what` at that moment; those of one moment in the order they were asked for.
  void at(Instant when, std::function<void()> what) { due_.emplace(when, std::move(what)); }

  Task<> sleep(Duration how_long) {
    auto over = std::make_shared<Event>(executor());
    at(now() + how_long, [over] { over->set(); });
    co_await over->wait();
  }

  // Runs the task, and time with it, until the task has ended. Throws what it throws.
  void run(Task<> task) {
    std::exception_ptr failure;
    bool ended = false;
    asio::co_spawn(loop_, std::move(task), [&](std::exception_ptr e) {
      failure = e;
      ended = true;
    });
    for (;;) {
      settle();
      if (ended) break;
      if (due_.empty()) throw std::logic_error("everybody waits, and nothing is due");
      auto next = due_.extract(due_.begin());
      clock_.advance(next.key() - now());
      next.mapped()();
    }
    if (failure) std::rethrow_exception(failure);
  }

 private:
  // Until every coroutine waits.
  void settle() {
    loop_.restart();
    while (loop_.poll() > 0) continue;
  }

  asio::io_context loop_{1};
  VirtualClock clock_;
  std::multimap<Instant, std::function<void()>> due_;
};

}  // namespace pcompose::scheduler
