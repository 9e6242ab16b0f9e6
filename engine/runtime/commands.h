// The command line: what other OCI runtimes take, too.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "engine/runtime/log.h"

namespace pcompose::engine::runtime {

struct Globals {
  std::string root;
  Log log;
  std::string rootless;
  bool systemd_cgroup = false;
  std::vector<std::string>
      words;  // of exec: the container and its command, never parsed as options
};

// What the chosen command does; returns the exit code.
using Command = std::function<int()>;

void add_life_commands(CLI::App& app, Globals& globals, Command& command);  // create … delete
void add_exec_command(CLI::App& app, Globals& globals, Command& command);
void add_query_commands(CLI::App& app, Globals& globals, Command& command);  // state, list, …
void add_update_command(CLI::App& app, Globals& globals, Command& command);

}  // namespace pcompose::engine::runtime
