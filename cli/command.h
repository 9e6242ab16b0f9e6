// What the commands of the command line share.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/json.h"
#include "base/roots.h"
#include "compose/load.h"

namespace pcompose::cli {

// Options before the command.
struct Globals {
  std::vector<std::string> files;
  std::string project_name;
  std::string project_directory;
  std::vector<std::string> env_files;
  std::vector<std::string> profiles;
  std::string progress = "auto";
  std::string ansi = "auto";
  bool dry_run = false;
  bool all_resources = false, compatibility = false, verbose = false;
  std::optional<int> parallel;             // so many operations at once; below 1: no limit
  std::string limits = "error";            // or "warn"
  std::vector<std::string> command_words;  // of exec and run: service and command

  [[nodiscard]] compose::LoadOptions load_options(
      const std::vector<std::string>& services = {}) const;
};

// Loads the project and prints its warnings on stderr. Throws as compose::load().
compose::Project load_project(const Globals& globals,
                              const std::vector<std::string>& services = {});

// For who looks at a project, takes it down or moves its images, and need not be able to bring it
// up: without what pcompose cannot do, without env files, and without warnings.
compose::Project load_what_is_there(const Globals& globals,
                                    const std::vector<std::string>& services = {});

// An environment variable that says yes.
bool is_true(const char* variable);
// … in the environment or in the project's .env.
bool is_true(const compose::Project& project, const std::string& variable);
// --parallel, or COMPOSE_PARALLEL_LIMIT, which may be in `project`'s .env. Throws Error where that
// is no number.
int parallel_limit(const Globals& globals, const compose::Project* project = nullptr);

// The project a command without a model means: -p, COMPOSE_PROJECT_NAME, or the file's. Throws as
// load_project().
std::string project_name(const Globals& globals);

// … and what its file has, for commands that leave alone what it has not: the member "scope" of a
// request (docs/protocol.md). Without it where the project was named and no file: all is meant.
struct NamedProject {
  std::string name;
  std::optional<json::object> scope;
  [[nodiscard]] bool has(const std::string& service) const;  // true without a scope
};
NamedProject named_project(const Globals& globals, const std::vector<std::string>& services);

// Each adds its command to `app` and stores in `run` what to do when it was given; run returns the
// exit code.
using Run = std::function<int()>;
// --limits, for whom starts containers.
void add_limits(CLI::App& command, Globals& globals);
void add_up(CLI::App& app, Globals& globals, Run& run);
void add_create(CLI::App& app, Globals& globals, Run& run);
void add_scale(CLI::App& app, Globals& globals, Run& run);
void add_lifecycle(CLI::App& app, Globals& globals, Run& run);
void add_inspect(CLI::App& app, Globals& globals, Run& run);
void add_endpoints(CLI::App& app, Globals& globals, Run& run);
void add_pod(CLI::App& app, Globals& globals, Run& run);
void add_network(CLI::App& app, Globals& globals, Run& run);
void add_ps(CLI::App& app, Globals& globals, Run& run);
void add_logs(CLI::App& app, Globals& globals, Run& run);
void add_exec(CLI::App& app, Globals& globals, Run& run);
void add_run(CLI::App& app, Globals& globals, Run& run);
void add_cp(CLI::App& app, Globals& globals, Run& run);
void add_export(CLI::App& app, Globals& globals, Run& run);
void add_events(CLI::App& app, Globals& globals, Run& run);
void add_stats(CLI::App& app, Globals& globals, Run& run);
void add_attach(CLI::App& app, Globals& globals, Run& run);
void add_config(CLI::App& app, Globals& globals, Run& run);
void add_image(CLI::App& app, Globals& globals, Run& run);
void add_images(CLI::App& app, Globals& globals, Run& run);
void add_pull(CLI::App& app, Globals& globals, Run& run);
void add_push(CLI::App& app, Globals& globals, Run& run);
void add_system(CLI::App& app, Run& run);
void add_systemd(CLI::App& app, Globals& globals, Run& run);
void add_login(CLI::App& app, Run& run);
void add_version(CLI::App& app, Run& run);

// Takes service, command and arguments of `exec` and `run` off the end of the arguments: an option
// there is the command's.
std::vector<std::string> cut_command(int& argc, char** argv);

// The arguments, with "-i=false" as "--interactive=false": CLI11 knows the form of long names only.
std::vector<std::string> with_long_names(const CLI::App& app, int argc, char** argv);

// --progress: how a command tells what it does. `auto`, `tty` and `plain` are lines.
enum class Style { lines, json, quiet };
Style style_of(const Globals& globals);

// Progress on stderr, a line a step: " Container shop-web-1 Started". A plan of --dry-run goes to
// stdout.
class Progress {
 public:
  explicit Progress(const Globals& globals) : globals_(globals) {}
  void show(const json::object& event);

 private:
  const Globals& globals_;
  std::set<std::string> shown_;  // a wait that serves several is told once
};

// On stderr; as JSON where that is the style.
void print_error(const Globals& globals, const std::string& message);
// Prints the failure of a finished call; returns its exit code.
int report(const json::object& result, const Globals& globals = {});

// The values of secrets and configs that come from the environment, for a request.
void put_materials(json::object& body, const compose::Project& project);

json::array to_array(const std::vector<std::string>& values);

}  // namespace pcompose::cli
