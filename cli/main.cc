// pcompose: arguments to commands.
#include <algorithm>
#include <csignal>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/source_excerpt.h"
#include "cli/version.h"

namespace pcompose::cli {

void add_version(CLI::App& app, Run& run) {
  auto format = std::make_shared<std::string>("pretty");
  auto brief = std::make_shared<bool>(false);
  CLI::App* c = app.add_subcommand("version", "Print the version");
  c->add_option("-f,--format", *format, "pretty or json")->check(CLI::IsMember({"pretty", "json"}));
  c->add_flag("--short", *brief, "Only the number");
  c->callback([&run, format, brief] {
    run = [format, brief] {
      if (*brief) {
        fmt::print("{}\n", kVersion);
      } else if (*format == "json") {
        fmt::print("{{\"version\":\"v{}\"}}\n", kVersion);
      } else {
        fmt::print("pcompose version v{}\n", kVersion);
      }
      return 0;
    };
  });
}

void add_limits(CLI::App& command, Globals& globals) {
  command
      .add_option("--limits", globals.limits,
                  "error or warn: what becomes of a container whose limits cannot be kept")
      ->check(CLI::IsMember({"error", "warn"}))
      ->envname("PCOMPOSE_LIMITS");
}

namespace {

void add_globals(CLI::App& app, Globals& g) {
  app.add_option("-f,--file", g.files, "Compose file; several are merged; - is stdin")
      ->allow_extra_args(false);
  app.add_option("-p,--project-name", g.project_name, "Name of the project");
  app.add_option("--project-directory,--workdir", g.project_directory,
                 "What relative paths are relative to");
  app.add_option("--env-file", g.env_files, "Variables, instead of .env")->allow_extra_args(false);
  app.add_option("--profile", g.profiles, "Activate a profile; * is all")->allow_extra_args(false);
  app.add_option("--progress", g.progress, "auto, tty, plain, json or quiet")
      ->check(CLI::IsMember({"auto", "tty", "plain", "json", "quiet"}))
      ->envname("COMPOSE_PROGRESS");
  app.add_option("--ansi", g.ansi, "never, always or auto")
      ->check(CLI::IsMember({"never", "always", "auto"}))
      ->envname("COMPOSE_ANSI");
  app.add_flag("--dry-run", g.dry_run, "Print what would be done, and do nothing");
  app.add_flag("--all-resources", g.all_resources,
               "Networks and volumes that no service uses, too");
  app.add_flag("--compatibility", g.compatibility, "_ in names of containers, as version 1 had it");
  app.add_option("--parallel", g.parallel, "So many operations at once; -1: no limit");
  app.add_flag("--verbose", g.verbose, "Tell of every step on stderr, as JSON")->group("");
  app.add_flag_callback("--no-ansi", [&g] { g.ansi = "never"; }, "--ansi never")->group("");
  app.set_version_flag("-v,--version", "pcompose version v" + std::string(kVersion))->group("");
  add_limits(app, g);
}

struct Commands {
  std::vector<std::string> names;
  std::function<void(CLI::App&, Globals&, Run&)> add;
};

const std::vector<Commands>& all_commands() {
  static const std::vector<Commands> all = {
      {{"up"}, add_up},
      {{"create"}, add_create},
      {{"scale"}, add_scale},
      {{"down", "stop", "start", "restart", "kill", "pause", "unpause", "rm"}, add_lifecycle},
      {{"ps"}, add_ps},
      {{"port", "top", "ls", "volumes", "wait"}, add_inspect},
      {{"endpoints"}, add_endpoints},
      {{"network"}, add_network},
      {{"pod"}, add_pod},
      {{"logs"}, add_logs},
      {{"exec"}, add_exec},
      {{"run"}, add_run},
      {{"attach"}, add_attach},
      {{"cp"}, add_cp},
      {{"events"}, add_events},
      {{"export"}, add_export},
      {{"stats"}, add_stats},
      {{"config", "convert"}, add_config},
      {{"image"}, add_image},
      {{"images"}, add_images},
      {{"pull"}, add_pull},
      {{"push"}, add_push},
      {{"login", "logout"}, [](CLI::App& app, Globals&, Run& run) { add_login(app, run); }},
      {{"system"}, [](CLI::App& app, Globals&, Run& run) { add_system(app, run); }},
      {{"systemd"}, add_systemd},
      {{"version"}, [](CLI::App& app, Globals&, Run& run) { add_version(app, run); }}};
  return all;
}

// Those that the words name, since all of them take a millisecond to describe; all where none is
// named (a help text, a mistake).
void add_commands(CLI::App& app, Globals& globals, Run& run,
                  const std::vector<std::string>& words) {
  auto named = [&](const Commands& c) {
    return std::ranges::find_first_of(words, c.names) != words.end();
  };
  bool any = std::ranges::any_of(all_commands(), named);
  for (const Commands& c : all_commands()) {
    if (!any || named(c)) c.add(app, globals, run);
  }
}

int run_command(int argc, char** argv, Globals& globals) {
  CLI::App app("pcompose runs compose files, without a daemon", "pcompose");
  Run run;
  globals.command_words = cut_command(argc, argv);
  add_globals(app, globals);
  add_commands(app, globals, run, {argv + 1, argv + argc});
  // --dry-run may follow the command, too.
  for (CLI::App* c : app.get_subcommands(nullptr)) {
    static const std::set<std::string> kPlanned = {"up",      "down",   "stop",  "start",
                                                   "restart", "kill",   "pause", "unpause",
                                                   "rm",      "create", "scale", "run"};
    if (kPlanned.contains(c->get_name()))
      c->add_flag("--dry-run", globals.dry_run, "Print, and do nothing");
  }
  try {
    auto words = with_long_names(app, argc, argv);
    std::ranges::reverse(words);  // as CLI11 wants them
    app.parse(std::move(words));
  } catch (const CLI::ParseError& e) {
    int code = app.exit(e);
    return code == 0 ? 0 : 1;
  }
  if (run) return run();
  fmt::print("{}", app.help());
  return 0;
}

}  // namespace
}  // namespace pcompose::cli

int main(int argc, char** argv) {
  using namespace pcompose;  // NOLINT: nothing else is here
  std::signal(SIGPIPE, SIG_DFL);
  cli::Globals globals;
  try {
    return cli::run_command(argc, argv, globals);
  } catch (const Error& e) {
    cli::print_error(globals, e.what());
    return e.exit_code();
  } catch (const ComposeError& e) {
    bool terminal = ::isatty(STDERR_FILENO) != 0;
    for (const Diagnostic& d : e.diagnostics())
      cli::print_error(globals, terminal ? cli::with_excerpt(d) : d.str());
    return 1;
  } catch (const std::exception& e) {
    cli::print_error(globals, std::string("pcompose: ") + e.what());
    return 1;
  }
}
