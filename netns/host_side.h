// Ports of the host, where the thread of the networks lives in another namespace.
#pragma once

#include <future>
#include <memory>

#include "base/loop.h"

namespace pcompose::netns {

// Runs calls in the network namespace that the process was started in.
class HostSide {
 public:
  // Threads begin in the namespace of who makes them: make it before the networks' thread moves.
  enum class Thread { same, own };
  explicit HostSide(Thread thread)
      : thread_(thread == Thread::own ? std::make_unique<LoopThread>("host ports") : nullptr) {}

  // Whether the bridges are in another namespace than the host's.
  [[nodiscard]] bool is_elsewhere() const { return thread_ != nullptr; }

  // Blocks until f() has run; gives its result or exception.
  template <class F>
  auto run(F f) const -> decltype(f()) {
    if (!thread_) return f();
    std::packaged_task<decltype(f())()> task(std::move(f));
    auto result = task.get_future();
    thread_->post([&task] { task(); });
    return result.get();
  }

 private:
  std::unique_ptr<LoopThread> thread_;
};

}  // namespace pcompose::netns
