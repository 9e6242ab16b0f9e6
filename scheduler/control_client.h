// The control protocol's client (docs/protocol.md). Blocking; for the command line.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/json.h"
#include "base/roots.h"

namespace pcompose::scheduler {

enum class Start { if_missing, never };

class ControlClient {
 public:
  ControlClient(Roots roots, std::string project)
      : roots_(std::move(roots)), project_(std::move(project)) {}

  // Connects to the project's supervisor; where there is none, makes the control socket and starts
  // a keeper, which starts one. Two clients at once start one keeper. An empty Fd where there is
  // none and none shall be started. Throws Error.
  [[nodiscard]] Fd connect(Start start) const;

  // Sends a request and calls `on_line` for every line of the answer but the last, which is
  // returned:
  // {"result": "done"|"failed", "error": …, "exit_code": n}. A supervisor that dies in the middle
  // is asked again: every command can be repeated. Throws Error where none answers.
  json::object call(const std::string& target, const json::object& body,
                    const std::function<void(const json::object&)>& on_line, Start start) const;

 private:
  [[nodiscard]] std::optional<json::object> call_once(
      const std::string& target, const std::string& body,
      const std::function<void(const json::object&)>& on_line, Start start) const;
  Roots roots_;
  std::string project_;
};

// Sends a request; `extra` are further header lines. Throws Error where the other side has gone.
void send_request(int socket, const std::string& target, const std::string& body,
                  const char* extra = "");

// An exec over the control socket.
struct ExecSession {
  Fd socket;
  Fd terminal;                   // the pty's master, where one was asked for
  std::optional<int> exit_code;  // already known: it failed to start
  std::string error;
  std::string unread;  // what came after the first line of the answer
};

// Starts a process in a container; stdin, stdout and stderr of this process become its own unless
// it has a terminal. Throws Error.
ExecSession start_exec(const ControlClient& client, const json::object& request);
// Waits for its end. Blocks.
int finish_exec(ExecSession& session);

}  // namespace pcompose::scheduler
