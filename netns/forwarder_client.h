// The supervisor's side of pcompose-forwarder.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/fd.h"
#include "netns/network_store.h"

namespace pcompose::netns {

// Starts the forwarder with the first port. It runs on when this object goes and as long as
// anybody holds the control socket; a later client goes on with restore().
class ForwarderClient {
 public:
  // `started` is called with the control socket of every forwarder that is started, to have it
  // kept beyond this process.
  // `home`: the network namespace that it shall live in, the targets' one; none = ours.
  // `program` is where the forwarder is; "": beside this program, as own_program() looks.
  explicit ForwarderClient(std::function<void(int control)> started, std::string program = "",
                           Fd home = Fd())
      : started_(std::move(started)), program_(std::move(program)), home_(std::move(home)) {}

  // Goes on with a forwarder that runs.
  void restore(Fd control) { control_ = std::move(control); }
  [[nodiscard]] int control() const { return control_.get(); }

  // Splices what arrives at `socket` (reserved, not yet listening) to the row's target. One of the
  // same key is replaced; the same once more is fine. Throws Error.
  void add(const std::string& key, const PortRow& row, const Fd& socket);
  // New connections are refused; those that are there stay. Unknown keys are fine.
  void remove(const std::string& key);
  // Ends it, with all its connections.
  void quit();
  // Starts another one where it died, with all ports. Returns whether that was needed.
  bool revive();

 private:
  struct Port {
    PortRow row;
    Fd socket;
  };
  void start();
  void send_add(const std::string& key, const Port& port);

  std::function<void(int)> started_;
  std::string program_;
  Fd home_;
  Fd control_;
  std::map<std::string, Port> ports_;
};

}  // namespace pcompose::netns
