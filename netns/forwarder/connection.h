// Two sockets whose bytes go from one to the other and back. Private to the forwarder.
#pragma once

#include "netns/forwarder/event_loop.h"
#include "netns/forwarder/pipes.h"

namespace pcompose::netns::forwarder {

// Closes so that the other side gets an RST, not an orderly end: what it sent may be lost.
void reset(Fd& socket);

class Connection final : public Watcher {
 public:
  // Registers it with the loop, which owns it from then on. `server` may still be connecting.
  static void start(EventLoop& loop, PipePool& pipes, Fd client, Fd server);
  Connection(EventLoop& loop, PipePool& pipes, Fd client, Fd server)
      : loop_(loop), pipes_(pipes), client_(std::move(client)), server_(std::move(server)) {}

  void on_event(uint32_t events) override;

 private:
  struct Flow {
    Pipe pipe;
    size_t held = 0;     // bytes in the pipe
    bool ended = false;  // the source has no more
    bool shut = false;   // and the destination was told
  };
  enum class Step : uint8_t { waits, has_more, failed };
  Step pump(Flow& flow, int from, int to);
  Step fill(Flow& flow, int from);
  Step drain(Flow& flow, int to);
  bool is_connected();
  void close(bool orderly);

  EventLoop& loop_;
  PipePool& pipes_;
  Fd client_, server_;
  Flow up_, down_;
  uint64_t client_id_ = 0, server_id_ = 0;
  bool connected_ = false;
};

}  // namespace pcompose::netns::forwarder
