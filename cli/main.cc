// pcompose: arguments to commands.
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
      ->check(CLI::IsMember({"auto", "tty", "plain", "json", "quiet"}));
  app.add_option("--ansi", g.ansi, "never, always or auto")
      ->check(CLI::IsMember({"never", "always", "auto"}));
  app.add_flag("--dry-run", g.dry_run, "Print what would be done, and do nothing");
  add_limits(app, g);
}

int run_command(int argc, char** argv) {
  CLI::App app("pcompose runs compose files, without a daemon", "pcompose");
  Globals globals;
  Run run;
  globals.command_words = cut_command(argc, argv);
  add_globals(app, globals);
  add_up(app, globals, run);
  add_create(app, globals, run);
  add_scale(app, globals, run);
  add_lifecycle(app, globals, run);
  add_ps(app, globals, run);
  add_inspect(app, globals, run);
  add_endpoints(app, globals, run);
  add_network(app, globals, run);
  add_pod(app, globals, run);
  add_logs(app, globals, run);
  add_exec(app, globals, run);
  add_run(app, globals, run);
  add_attach(app, globals, run);
  add_cp(app, globals, run);
  add_events(app, globals, run);
  add_export(app, globals, run);
  add_stats(app, globals, run);
  add_config(app, globals, run);
  add_image(app, globals, run);
  add_images(app, globals, run);
  add_pull(app, globals, run);
  add_push(app, globals, run);
  add_login(app, run);
  add_system(app, run);
  add_systemd(app, globals, run);
  add_version(app, run);
  // --dry-run may follow the command, too.
  for (CLI::App* c : app.get_subcommands(nullptr)) {
    static const std::set<std::string> kPlanned = {"up",      "down",   "stop",  "start",
                                                   "restart", "kill",   "pause", "unpause",
                                                   "rm",      "create", "scale", "run"};
    if (kPlanned.contains(c->get_name()))
      c->add_flag("--dry-run", globals.dry_run, "Print, and do nothing");
  }
  try {
    app.parse(argc, argv);
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
  std::signal(SIGPIPE, SIG_DFL);
  try {
    return pcompose::cli::run_command(argc, argv);
  } catch (const pcompose::Error& e) {
    fmt::print(stderr, "{}\n", e.what());
    return e.exit_code();
  } catch (const pcompose::ComposeError& e) {
    bool terminal = ::isatty(STDERR_FILENO) != 0;
    for (const pcompose::Diagnostic& d : e.diagnostics())
      fmt::print(stderr, "{}\n", terminal ? pcompose::cli::with_excerpt(d) : d.str());
    return 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "pcompose: {}\n", e.what());
    return 1;
  }
}
