// Coroutines of one loop that must not be in the same place at once.
#pragma once

#include "base/loop.h"

namespace pcompose::scheduler {

class OneAtATime {
 public:
  explicit OneAtATime(asio::any_io_executor executor) : left_(std::move(executor)) {}

  // While it lives the others wait in enter().
  class Inside {
   public:
    explicit Inside(OneAtATime& place) : place_(&place) { place.taken_ = true; }
    Inside(Inside&& other) noexcept : place_(std::exchange(other.place_, nullptr)) {}
    Inside& operator=(Inside&&) = delete;
    ~Inside() {
      if (place_ == nullptr) return;
      place_->taken_ = false;
      place_->left_.pulse();
    }

   private:
    OneAtATime* place_;
  };
  // Throws system_error(operation_aborted) when the coroutine is cancelled.
  Task<Inside> enter() {
    while (taken_) co_await left_.wait();
    co_return Inside(*this);
  }

 private:
  Event left_;
  bool taken_ = false;
};

}  // namespace pcompose::scheduler
