#include "netns/forwarder/event_loop.h"

#include <array>
#include <cerrno>
#include <sys/epoll.h>

#include "base/error.h"

namespace pcompose::netns::forwarder {

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw Error::from_errno("epoll_create1");
}

uint64_t EventLoop::watch(int fd, std::shared_ptr<Watcher> watcher, uint32_t events) {
  uint64_t id = ++last_;
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw Error::from_errno("epoll_ctl");
  }
  watchers_.emplace(id, std::move(watcher));
  return id;
}

void EventLoop::unwatch(int fd, uint64_t id) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watchers_.erase(id);
}

void EventLoop::call(uint64_t id, uint32_t events) {
  auto found = watchers_.find(id);
  if (found == watchers_.end()) return;
  auto keep = found->second;  // it may unwatch itself
  keep->on_event(events);
}

void EventLoop::turn() {
  std::array<epoll_event, 256> events;
  int timeout = waiting_.empty() ? static_cast<int>(kTick.count()) : 0;
  int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout);
  if (n < 0 && errno != EINTR) throw Error::from_errno("epoll_wait");
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events.at(static_cast<size_t>(i));
    call(event.data.u64, event.events);
  }
  for (size_t left = waiting_.size(); left > 0; --left) {
    uint64_t id = waiting_.front();
    waiting_.pop_front();
    call(id, 0);
  }
}

}  // namespace pcompose::netns::forwarder
