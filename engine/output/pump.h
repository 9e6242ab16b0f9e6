// Keeps a container's output moving from its FIFOs to its log.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "engine/output/staging.h"

namespace pcompose::engine {

// `directory`: the container's run directory with the FIFOs. The pump reads duplicates of the
// descriptors that the keeper holds, so bytes survive this process.
class OutputPump {
 public:
  // Throws Error.
  OutputPump(asio::any_io_executor executor, const std::string& directory,
             const std::string& log_directory, LogLimits limits, const Fd& out, const Fd& err);

  // Reads until no writer is left on either stream: the container's last process is gone. Then
  // every byte is in the log. Call again for the next run of the container. Cancelled: what was
  // read stays staged.
  Task<> run();

  // Gets every byte from now on besides the log, stream by stream; what it waits for, the container
  // waits for. Empty: nobody.
  using Listener = std::function<Task<>(Stream stream, std::string bytes)>;
  void listen(Listener listener) { listener_ = std::move(listener); }

 private:
  Task<> pump(Stream stream);

  Staging staging_;
  asio::posix::stream_descriptor fifo_[2];
  Listener listener_;
};

}  // namespace pcompose::engine
