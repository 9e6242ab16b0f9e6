// The life of a container, a function for each command. Each throws Error; what failed half-way is
// undone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/runtime/bundle_plan.h"
#include "engine/runtime/state.h"

namespace pcompose::engine::runtime {

struct CreateOptions {
  std::string root;  // of the states
  std::string id;
  std::string bundle = ".";
  std::string config = "config.json";
  std::string pid_file;
  std::string console_socket;
  int preserve_fds = 0;
  Pivot pivot = Pivot::pivot_root;
  int listen_fds = 0;  // of socket activation: descriptors from 3 on, which are passed on, too
  bool no_new_keyring = false;
  bool foreground = false;  // `run`: a terminal without a console socket is served by us
};

// A parked container. The master is there for `run` alone.
struct Created {
  pid_t pid = 0;
  Pidfd pidfd;
  Fd master;
  std::vector<std::string> warnings;  // what could not be had, and need not be
};

Created create_container(const CreateOptions& options);

// Lets the parked process go on and returns when its program runs. Throws StepError where it could
// not be executed.
void start_container(const std::string& root, const std::string& id);

enum class Force { no, yes };
// Returns what poststop hooks failed: the container is gone by then.
std::vector<std::string> delete_container(const std::string& root, const std::string& id,
                                          Force force);

enum class Whom { init, all };
void kill_container(const std::string& root, const std::string& id, int signal, Whom whom);

}  // namespace pcompose::engine::runtime
