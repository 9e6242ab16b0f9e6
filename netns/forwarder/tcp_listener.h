// A spliced TCP port. Private to the forwarder.
#pragma once

#include "netns/forwarder/event_loop.h"
#include "netns/forwarder/pipes.h"
#include "netns/forwarder/target.h"

namespace pcompose::netns::forwarder {

// Accepts and connects on; connections live in the loop until both sides have ended.
class TcpListener final : public Watcher {
 public:
  TcpListener(EventLoop& loop, PipePool& pipes, Fd listener, Target target)
      : loop_(loop), pipes_(pipes), listener_(std::move(listener)), target_(target) {}

  void on_event(uint32_t events) override;
  [[nodiscard]] int fd() const { return listener_.get(); }

 private:
  bool accept_one();

  EventLoop& loop_;
  PipePool& pipes_;
  Fd listener_;
  Target target_;
};

}  // namespace pcompose::netns::forwarder
