// A relayed UDP port. Private to the forwarder.
#pragma once

#include <chrono>
#include <map>

#include "netns/forwarder/event_loop.h"
#include "netns/forwarder/target.h"

namespace pcompose::netns::forwarder {

// One connected socket for each client. It is given up after 30 s of silence, 180 s once both sides
// spoke: the numbers of the kernel's own connection tracking (nf_conntrack_udp_timeout).
class UdpRelay final : public Watcher, public std::enable_shared_from_this<UdpRelay> {
 public:
  UdpRelay(EventLoop& loop, Fd socket, Target target);
  ~UdpRelay() override;
  UdpRelay(const UdpRelay&) = delete;
  UdpRelay& operator=(const UdpRelay&) = delete;

  void on_event(uint32_t events) override;
  void drop_idle();
  void close();  // ends all flows
  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  class Flow;
  using Key = std::pair<Ip, uint16_t>;
  bool relay_one();
  std::shared_ptr<Flow> flow_of(const SocketAddress& client);

  EventLoop& loop_;
  Fd socket_;
  Target target_;
  std::map<Key, std::shared_ptr<Flow>> flows_;
};

}  // namespace pcompose::netns::forwarder
