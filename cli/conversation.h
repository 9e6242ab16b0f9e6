// A client that is attached to a container: keys and signals one way, output the other.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/command.h"
#include "scheduler/attach_client.h"

namespace pcompose::cli {

struct ConversationOptions {
  std::string target;    // of the control protocol
  json::object request;  // its body
  scheduler::Start start = scheduler::Start::never;
  std::string missing;  // what is wrong where the project does not run
  bool stdin_open = true;
  bool forward_signals = true;
  std::string detach_keys = "ctrl-p,ctrl-q";
  bool show_progress = true;
};

// Returns the container's exit code; 0 after the detach keys; 1 where it could not be started; 130
// where a signal came before that. A supervisor that dies in the middle is asked again. Throws
// Error.
int converse(const Globals& globals, const scheduler::ControlClient& client,
             const ConversationOptions& options);

}  // namespace pcompose::cli
