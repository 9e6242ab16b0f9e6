// epoll(7) with an object behind each descriptor. Private to the forwarder.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>

#include "base/fd.h"

namespace pcompose::netns::forwarder {

// What the loop calls. An object may unwatch itself in on_event().
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_event(uint32_t events) = 0;
};

class EventLoop {
 public:
  EventLoop();
  // Edge-triggered, for reading and writing: the watcher works until EAGAIN. It is kept alive by
  // the loop until unwatch().
  uint64_t watch(int fd, std::shared_ptr<Watcher> watcher, uint32_t events);
  void unwatch(int fd, uint64_t id);
  // Calls the watcher once more in the next turn, after others had theirs.
  void again(uint64_t id) { waiting_.push_back(id); }
  // Waits for events, at most until the next tick, and handles them.
  void turn();
  void stop() { stopped_ = true; }
  [[nodiscard]] bool stopped() const { return stopped_; }

  static constexpr std::chrono::milliseconds kTick{5000};

 private:
  void call(uint64_t id, uint32_t events);

  Fd epoll_;
  std::unordered_map<uint64_t, std::shared_ptr<Watcher>> watchers_;
  std::deque<uint64_t> waiting_;
  uint64_t last_ = 0;  // ids are never used twice: an event of a closed descriptor finds nobody
  bool stopped_ = false;
};

}  // namespace pcompose::netns::forwarder
