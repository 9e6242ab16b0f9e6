// Terminals: handing a master to who asked for it, and serving one ourselves.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "base/pidfd.h"

namespace pcompose::engine::runtime {

// Sends the master by SCM_RIGHTS to the unix stream socket at `path`, with the terminal's name as
// payload, as conmon and containerd want it. Throws Error.
void send_console(const std::string& path, const Fd& master);

// Sends `fd` with `text` to the socket at `path` (the seccomp agent's protocol: spec, config-linux,
// "Seccomp"). Throws Error.
void send_descriptor(const std::string& path, const Fd& fd, const std::string& text);

// Signals that we pass on to a process that runs in the foreground. Blocked from construction on;
// the destructor lets them through again.
class SignalForwarder {
 public:
  SignalForwarder();
  SignalForwarder(const SignalForwarder&) = delete;
  SignalForwarder& operator=(const SignalForwarder&) = delete;
  ~SignalForwarder();

  // Serves a process until it ends: passes signals on, and copies between our stdin and stdout and
  // `master` where there is one, with our terminal raw meanwhile. Returns its status; it is reaped.
  ExitStatus serve(const Pidfd& process, const Fd& master);

 private:
  void on_signal(const Pidfd& process, const Fd& master);
  Fd signals_;
};

}  // namespace pcompose::engine::runtime
