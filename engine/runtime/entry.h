// Further processes in a running container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/runtime/state.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// CLONE_NEW… of every namespace that is not ours: new ones and those joined by path.
uint64_t namespaces_of(const Linux& linux);

struct ExecOptions {
  std::string root, id;
  std::string process_file;  // the process as JSON; the rest of what is here does not count then
  std::vector<std::string> args;
  std::vector<std::string> env, capabilities;
  std::vector<uint32_t> groups;
  std::string cwd, user, apparmor_profile, selinux_label;
  std::optional<bool> no_new_privileges;
  bool terminal = false;
  bool detach = false;
  bool ignores_paused = false;
  std::string group;  // a group beneath the container's
  std::string pid_file, console_socket;
  int preserve_fds = 0;
};

// Runs it; returns its exit code, or 0 at once where it is detached. Throws Error, StepError.
int exec_in_container(const ExecOptions& options);

}  // namespace pcompose::engine::runtime
