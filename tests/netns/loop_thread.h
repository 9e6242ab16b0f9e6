// A loop on a thread of its own, so that a test's blocking clients do not stop what they ask.
#pragma once

#include <future>
#include <thread>

#include "base/loop.h"

namespace pcompose::netns {

class TestLoop {
 public:
  TestLoop() : work_(asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {}
  ~TestLoop() {
    work_.reset();
    thread_.join();
  }
  [[nodiscard]] asio::any_io_executor executor() { return context_.get_executor(); }

  template <class T>
  T wait(Task<T> task) {
    return asio::co_spawn(context_, std::move(task), asio::use_future).get();
  }
  template <class F>
  void call(F body) {
    asio::post(context_, asio::use_future(std::move(body))).get();
  }

 private:
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace pcompose::netns
