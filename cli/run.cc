// run: a container beside the replicas of a service.
#include <filesystem>
#include <memory>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "cli/command.h"
#include "cli/conversation.h"
#include "cli/image_pull.h"
#include "cli/terminal.h"
#include "compose/json.h"
#include "scheduler/one_off.h"

namespace pcompose::cli {
namespace {

struct RunFlags {
  scheduler::OneOffOptions options;
  bool detach = false, remove = false, no_tty = false, tty = false, quiet = false,
       quiet_pull = false, remove_orphans = false;
  std::string pull, entrypoint, detach_keys = "ctrl-p,ctrl-q";
  std::vector<std::string> env_files;
  CLI::Option *entrypoint_given = nullptr, *no_tty_given = nullptr;
};

bool wants_terminal(const RunFlags& flags) {
  if (flags.tty && flags.no_tty) throw Error("--tty and --no-tty exclude each other");
  bool wanted = flags.tty || (flags.no_tty_given->count() > 0 && !flags.no_tty);
  bool ours = flags.options.interactive && !flags.detach;
  if (wanted && ours && ::isatty(STDIN_FILENO) == 0) {
    throw Error("cannot attach stdin to a TTY-enabled container because stdin is not a terminal")
        .hint("leave out --tty, or give -i=false");
  }
  return wanted || (ours && has_terminal() && !flags.no_tty);
}

compose::Service described(const compose::Project& project, const std::string& service,
                           RunFlags& flags) {
  scheduler::OneOffOptions& options = flags.options;
  if (flags.entrypoint_given->count() > 0) options.entrypoint = flags.entrypoint;
  for (const std::string& path : flags.env_files) {
    auto text = compose::DiskFiles().read(path);
    if (!text) throw Error("--env-from-file: no file " + path);
    options.env_files.emplace_back(path, *text);
  }
  options.terminal = wants_terminal(flags);
  // -e NAME, too, may mean what stands in .env.
  auto variable = [&](std::string_view name) -> std::optional<std::string> {
    auto found = project.variables.find(std::string(name));
    return found == project.variables.end() ? std::nullopt : std::optional(found->second);
  };
  return scheduler::one_off(project, service, options, variable, random_hex(6),
                            std::filesystem::current_path().string());
}

json::object request(const compose::Project& project, const compose::Service& service,
                     const RunFlags& flags, const Globals& globals) {
  json::object body{
      {"project", compose::to_json(project)},
      {"run", compose::to_json(service)},
      {"remove", flags.remove},
      {"remove_orphans", flags.remove_orphans || is_true(project, "COMPOSE_REMOVE_ORPHANS")},
      {"ignore_orphans", is_true(project, "COMPOSE_IGNORE_ORPHANS")},
      {"dry_run", globals.dry_run}};
  put_materials(body, project);
  winsize size{};
  if (service.tty && ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
    body["rows"] = size.ws_row;
    body["columns"] = size.ws_col;
  }
  return body;
}

int start_only(const Globals& globals, const scheduler::ControlClient& client,
               const json::object& body, bool quiet) {
  Progress progress(globals);
  std::string id;
  int code = report(client.call(
                        "/v1/run", body,
                        [&](const json::object& event) {
                          if (event.contains("id")) id = event.at("id").as_string();
                          if (!quiet || event.contains("plan")) progress.show(event);
                        },
                        scheduler::Start::if_missing),
                    globals);
  if (code == 0 && !id.empty()) fmt::print("{}\n", id);
  return code == 0 || code == 130 ? code : 1;
}

int run_service(const Globals& globals, RunFlags& flags) {
  if (globals.command_words.empty())
    throw Error("run needs a service").hint("pcompose run SERVICE [COMMAND [ARG...]]");
  const std::string& name = globals.command_words.front();
  flags.options.command.assign(globals.command_words.begin() + 1, globals.command_words.end());
  compose::Project project = load_project(globals, {name});
  compose::Service service = described(project, name, flags);
  Roots roots = Roots::from_environment();
  auto dependencies =
      flags.options.no_deps ? compose::Dependencies::without : compose::Dependencies::with;
  provide_images(globals, roots, select_services(project, {name}, dependencies), flags.pull,
                 flags.quiet || flags.quiet_pull ? PullProgress::Style::quiet
                                                 : PullProgress::style_for(globals));
  scheduler::ControlClient client(roots, project.name);
  json::object body = request(project, service, flags, globals);
  if (flags.detach || globals.dry_run) return start_only(globals, client, body, flags.quiet);
  ConversationOptions talk;
  talk.target = "/v1/run/attach";
  talk.request = std::move(body);
  talk.start = scheduler::Start::if_missing;
  talk.stdin_open = flags.options.interactive;
  talk.detach_keys = flags.detach_keys;
  talk.show_progress = !flags.quiet;
  return converse(globals, client, talk);
}

void add_container_options(CLI::App* c, RunFlags& flags) {
  auto& o = flags.options;
  flags.entrypoint_given =
      c->add_option("--entrypoint", flags.entrypoint, "Instead of the service's; \"\" is none");
  auto many = [&](const char* names, std::vector<std::string>& into, const char* help) {
    return c->add_option(names, into, help)->allow_extra_args(false);
  };
  many("-e,--env", o.environment, "Set a variable: K=V, or K from our environment");
  many("--env-from-file", flags.env_files, "Variables from a file");
  many("-l,--label", o.labels, "Add a label: K=V");
  many("-v,--volume,--volumes", o.volumes, "Mount something: SOURCE:TARGET[:OPTIONS]");
  many("--cap-add", o.cap_add, "Add a capability");
  many("--cap-drop", o.cap_drop, "Drop a capability");
  auto* publish = many("-p,--publish", o.publish, "Publish a port");
  c->add_flag("-P,--service-ports", o.service_ports, "Publish the service's ports")
      ->excludes(publish);
  c->add_flag("--use-aliases", o.use_aliases, "Answer to the service's names on its networks");
  c->add_option("--name", o.name, "Name of the container");
  c->add_option("-u,--user", o.user, "User, or user:group");
  c->add_option("-w,--workdir", o.working_dir, "Working directory");
}

}  // namespace

void add_run(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* c = app.add_subcommand("run", "Run a one-off command in a container of its own");
  c->add_flag("-d,--detach", flags->detach, "Return once it runs, and print its id");
  c->add_flag("--rm", flags->remove, "Remove the container when it ends");
  flags->no_tty_given = c->add_flag("-T,--no-tty,--no-TTY", flags->no_tty, "Without a terminal");
  c->add_flag("-t,--tty", flags->tty, "With a terminal")->group("");
  c->add_flag("-i,--interactive,!--no-interactive", flags->options.interactive,
              "Pass our stdin on (the default); -i=false does not");
  c->add_flag("--no-deps", flags->options.no_deps, "Leave out what the service depends on");
  c->add_option("--pull", flags->pull, "always, missing, never or build, instead of the file's")
      ->check(CLI::IsMember({"always", "missing", "never", "build"}));
  c->add_flag("--build")->description("Without effect: nothing can be built yet");
  c->add_flag("--quiet-build")->description("Without effect: nothing is built");
  c->add_flag("--quiet-pull", flags->quiet_pull, "Pull without progress");
  c->add_flag("-q,--quiet", flags->quiet, "Only what the command prints");
  c->add_flag("--remove-orphans", flags->remove_orphans,
              "Remove containers of services the file does not have");
  c->add_option("--detach-keys", flags->detach_keys, "Keys that leave the container alone");
  add_container_options(c, *flags);
  // Service and command do not go through the parser: see cut_command().
  c->callback([&, flags] { run = [&, flags] { return run_service(globals, *flags); }; });
  c->footer("SERVICE [COMMAND [ARG...]] follow the options.");
}

}  // namespace pcompose::cli
