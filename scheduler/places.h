// Coroutines of one loop of which only so many may be in a place at once.
#pragma once

#include <algorithm>
#include <deque>

#include "base/loop.h"

namespace pcompose::scheduler {

class Places {
 public:
  explicit Places(asio::any_io_executor executor, size_t count = 1)
      : executor_(std::move(executor)), free_(count) {}

  // While it lives it has a place.
  class Inside {
   public:
    explicit Inside(Places& places) : places_(&places) {}
    Inside(Inside&& other) noexcept : places_(std::exchange(other.places_, nullptr)) {}
    Inside& operator=(Inside&&) = delete;
    ~Inside() {
      if (places_ != nullptr) places_->leave();
    }

   private:
    Places* places_;
  };
  // In the order of the calls. Throws system_error(operation_aborted) when the coroutine is
  // cancelled.
  Task<Inside> enter() {
    if (free_ > 0) {
      --free_;
      co_return Inside(*this);
    }
    Waiting waiting(*this);
    co_await waiting.turn.wait();
    waiting.came_in = true;
    co_return Inside(*this);
  }

 private:
  struct Waiting {
    explicit Waiting(Places& p) : places(p), turn(p.executor_) { p.waiting_.push_back(this); }
    Waiting(const Waiting&) = delete;
    Waiting& operator=(const Waiting&) = delete;
    ~Waiting() {
      if (!turn.is_set()) std::erase(places.waiting_, this);
      if (turn.is_set() && !came_in) places.leave();  // cancelled just then
    }
    Places& places;
    Event turn;
    bool came_in = false;
  };

  void leave() {
    if (waiting_.empty()) {
      ++free_;
    } else {
      waiting_.front()->turn.set();
      waiting_.pop_front();
    }
  }

  asio::any_io_executor executor_;
  size_t free_;
  std::deque<Waiting*> waiting_;
};

}  // namespace pcompose::scheduler
