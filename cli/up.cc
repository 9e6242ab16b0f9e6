#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/attach.h"
#include "cli/command.h"
#include "cli/endpoints.h"
#include "cli/image_pull.h"
#include "cli/menu.h"
#include "cli/moment.h"
#include "cli/systemd_protocol.h"
#include "cli/timeline.h"
#include "compose/graph.h"
#include "compose/json.h"
#include "scheduler/control_client.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

struct UpFlags {
  bool detach = false, wait = false, force_recreate = false, no_recreate = false, no_deps = false;
  bool rerun_jobs = false;
  bool remove_orphans = false, no_start = false, auto_ports = false, pod = false;
  bool recreate_dependencies = false, new_volumes = false;
  std::vector<std::string> scales;  // S=N
  int timeout = -1, wait_timeout = -1;
  std::string pull;
  bool quiet_pull = false;
  LogFormat logs;
  std::optional<bool> menu;
  bool abort_on_exit = false, abort_on_failure = false, attach_dependencies = false;
  std::string exit_code_from, timeline;
  std::vector<std::string> attach, no_attach;
  std::vector<std::string> services;
};

// S=N: so many replicas of S, whatever the file says.
void apply_scales(compose::Project& project, const std::vector<std::string>& scales) {
  for (const std::string& text : scales) {
    size_t equals = text.find('=');
    int count = -1;
    const char* end = text.data() + text.size();
    bool whole = equals != std::string::npos &&
                 std::from_chars(text.data() + equals + 1, end, count).ptr == end;
    if (!whole || count < 0)
      throw Error("invalid scale \"" + text + "\"").hint("write SERVICE=NUMBER");
    auto service = project.services.find(text.substr(0, equals));
    if (service == project.services.end())
      throw Error("no such service: " + text.substr(0, equals));
    if (count > 1 && !service->second.container_name.empty()) {
      throw Error("service " + service->first + " has a container_name, so it has one container")
          .at(service->second.origin("container_name"))
          .hint("remove container_name to scale it");
    }
    service->second.scale = count;
  }
}

// What the environment and one option say about others.
void complete(UpFlags& flags, const compose::Project& project) {
  if (is_true(project, "COMPOSE_REMOVE_ORPHANS")) flags.remove_orphans = true;
  if (flags.remove_orphans && is_true(project, "COMPOSE_IGNORE_ORPHANS")) {
    throw Error("orphans cannot be removed and ignored")
        .hint("unset COMPOSE_IGNORE_ORPHANS, or leave out --remove-orphans");
  }
  if (flags.new_volumes) flags.force_recreate = true;
}

json::object request(const compose::Project& project, const UpFlags& flags,
                     const Globals& globals) {
  json::object body{{"project", compose::to_json(project)},
                    {"services", to_array(flags.services)},
                    {"no_deps", flags.no_deps},
                    {"force_recreate", flags.force_recreate},
                    {"no_recreate", flags.no_recreate},
                    {"always_recreate_deps", flags.recreate_dependencies},
                    {"renew_anon_volumes", flags.new_volumes},
                    {"remove_orphans", flags.remove_orphans},
                    {"ignore_orphans", is_true(project, "COMPOSE_IGNORE_ORPHANS")},
                    {"no_start", flags.no_start},
                    {"wait", flags.wait},
                    {"auto_ports", flags.auto_ports},
                    {"rerun_jobs", flags.rerun_jobs},
                    {"all_resources", globals.all_resources},
                    {"parallel", parallel_limit(globals, &project)},
                    {"events", !flags.timeline.empty()},
                    {"dry_run", globals.dry_run}};
  put_materials(body, project);
  if (flags.timeout >= 0) body["timeout"] = flags.timeout;
  if (flags.wait_timeout >= 0) body["wait_timeout"] = flags.wait_timeout;
  return body;
}

AttachOptions attach_options(const compose::Project& project, const UpFlags& flags) {
  AttachOptions options;
  options.format = flags.logs;
  options.menu = menu_wanted(flags.menu);
  options.exit_code_from = flags.exit_code_from;
  options.abort_on_failure = flags.abort_on_failure;
  options.abort_on_exit =
      flags.abort_on_exit || (!flags.exit_code_from.empty() && !flags.abort_on_failure);
  auto with =
      flags.attach_dependencies ? compose::Dependencies::with : compose::Dependencies::without;
  compose::ServiceGraph graph(project);
  for (const std::string& name : graph.selection(flags.services, with)) {
    auto named = [&](const auto& list) { return std::ranges::find(list, name) != list.end(); };
    bool wanted = flags.attach.empty() ? project.services.at(name).attach.value_or(true)
                                       : named(flags.attach);
    if (wanted && !named(flags.no_attach)) options.shown.push_back(name);
  }
  options.services = graph.selection(flags.services, compose::Dependencies::without);
  // docker compose's rule: those that are named, or whose output is shown where none is.
  bool shown_count = flags.services.empty() && !options.shown.empty();
  options.counted = shown_count ? options.shown : options.services;
  if (std::ranges::find(options.services, flags.exit_code_from) != options.services.end())
    options.counted.push_back(flags.exit_code_from);
  return options;
}

// What docker compose refuses, too.
void check_attachment(const compose::Project& project, const UpFlags& flags) {
  bool attached = flags.attach_dependencies || !flags.attach.empty();
  bool aborts = flags.abort_on_exit || flags.abort_on_failure || !flags.exit_code_from.empty();
  if (flags.abort_on_exit && flags.abort_on_failure)
    throw Error("--abort-on-container-failure cannot be combined with --abort-on-container-exit");
  if (flags.attach_dependencies && !flags.attach.empty())
    throw Error("cannot combine --attach and --attach-dependencies");
  if ((flags.detach || flags.wait) && (attached || aborts)) {
    throw Error(
        fmt::format("--{} cannot be combined with --abort-on-container-exit, "
                    "--abort-on-container-failure, --exit-code-from, --attach or "
                    "--attach-dependencies",
                    flags.wait ? "wait" : "detach"));
  }
  if (!flags.exit_code_from.empty() && !project.services.contains(flags.exit_code_from))
    throw Error("no such service: " + flags.exit_code_from);
  for (const std::string& name : flags.attach) {
    if (!project.services.contains(name))
      throw Error("cannot attach to services not included in up: " + name);
  }
}

void check_timeline(const std::string& path) {
  if (path.empty() || path.ends_with(".svg") || path.ends_with(".json")) return;
  throw Error("--timeline " + path + ": neither .svg nor .json")
      .hint("the name's end says which: a drawing, or a trace for chrome://tracing");
}

void write_timeline(const Timeline& timeline, const std::string& path) {
  replace_file(path, path.ends_with(".svg") ? timeline.svg() : timeline.trace(), 0644);
  for (const std::string& line : timeline.advice()) fmt::print(stderr, "{}\n", line);
}

int up(const Globals& globals, UpFlags flags) {
  compose::Project project = load_project(globals, flags.services);
  complete(flags, project);
  Roots roots = Roots::from_environment();
  apply_scales(project, flags.scales);
  bind_ports(project);
  if (flags.pod) project.pod = true;
  project.lenient_limits = globals.limits == "warn";
  check_timeline(flags.timeline);
  check_attachment(project, flags);
  Timeline timeline(project, now_ns());
  // Before anything is touched.
  provide_images(
      globals, roots,
      select_services(project, flags.services,
                      flags.no_deps ? compose::Dependencies::without : compose::Dependencies::with),
      flags.pull, flags.quiet_pull ? PullProgress::Style::quiet : PullProgress::style_for(globals));
  scheduler::ControlClient client(roots, project.name);
  timeline.pulled(now_ns());
  WallTime began = std::chrono::system_clock::now();
  Progress progress(globals);
  auto result = client.call(
      "/v1/up", request(project, flags, globals),
      [&](const json::object& event) {
        timeline.add(event);
        progress.show(event);
      },
      scheduler::Start::if_missing);
  int code = report(result, globals);
  if (!flags.timeline.empty() && !globals.dry_run) write_timeline(timeline, flags.timeline);
  if (code == 0 && !globals.dry_run) show_reachable_ports(roots, project);
  if (code == 0 && flags.wait) notify_ready("project " + project.name + " is up");
  if (code != 0 || flags.detach || flags.wait || flags.no_start || globals.dry_run) return code;
  return attach(globals, roots, project.name, attach_options(project, flags), began);
}

// Options of `up` and `create`.
void add_create_options(CLI::App* c, UpFlags& flags) {
  auto* force = c->add_flag("--force-recreate", flags.force_recreate,
                            "Recreate containers even where nothing changed");
  c->add_flag("--no-recreate", flags.no_recreate, "Leave containers that exist as they are")
      ->excludes(force);
  // Services that have to be built are refused when the file is read.
  auto* build = c->add_flag("--build")->description("Without effect: nothing can be built yet");
  c->add_flag("--no-build")->description("Without effect: nothing is built")->excludes(build);
  c->add_flag("--quiet-build")->description("Without effect: nothing is built");
  c->add_option("--pull", flags.pull, "always, missing, never or build, instead of the file's")
      ->check(CLI::IsMember({"always", "missing", "never", "build", "policy"}))
      ->transform([](const std::string& text) { return text == "policy" ? "" : text; });
  c->add_flag("--quiet-pull", flags.quiet_pull, "Pull without progress");
  c->add_flag("--remove-orphans", flags.remove_orphans,
              "Remove containers of services the file does not have");
  c->add_option("--scale", flags.scales, "S=N: so many containers of a service")
      ->allow_extra_args(false);
  c->add_flag("-y,--yes,--y")->description("Without effect: nothing is asked");
  c->add_option("services", flags.services, "Only these and what they depend on");
}

}  // namespace

void add_up(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<UpFlags>();
  CLI::App* c = app.add_subcommand("up", "Create and start containers");
  add_create_options(c, *flags);
  c->add_flag("-d,--detach", flags->detach, "Return once everything is started");
  c->add_flag("--wait", flags->wait, "Return once everything is running or healthy; implies -d");
  c->add_option("--wait-timeout", flags->wait_timeout, "Give up waiting after this many seconds")
      ->check(CLI::NonNegativeNumber);
  c->add_flag("--always-recreate-deps", flags->recreate_dependencies,
              "Recreate dependencies, too, as --force-recreate does the named services")
      ->excludes("--no-recreate");
  c->add_flag("-V,--renew-anon-volumes", flags->new_volumes,
              "Recreate containers, with new anonymous volumes")
      ->excludes("--no-recreate");
  c->add_flag("--no-deps", flags->no_deps, "Leave out what the services depend on");
  c->add_flag("--no-start", flags->no_start, "Create only");
  c->add_flag("--pod", flags->pod, "All containers in one network, ipc and uts namespace");
  add_limits(*c, globals);
  c->add_flag("--auto-ports", flags->auto_ports,
              "Publish on the next free port where one is in use");
  c->add_option("-t,--timeout", flags->timeout,
                "Seconds before SIGKILL where a container has to stop");
  c->add_flag("--abort-on-container-exit", flags->abort_on_exit,
              "Stop everything when a container ends");
  c->add_flag("--abort-on-container-failure", flags->abort_on_failure,
              "Stop everything when a container fails");
  c->add_flag("--menu,!--no-menu", flags->menu,
              "Take keys while attached to a terminal: d detaches")
      ->excludes("--detach");
  c->add_option("--exit-code-from", flags->exit_code_from,
                "End with the code of this service; implies --abort-on-container-exit");
  c->add_option("--attach", flags->attach, "Show only the output of these")
      ->allow_extra_args(false);
  c->add_option("--no-attach", flags->no_attach, "Do not show the output of these")
      ->allow_extra_args(false);
  c->add_flag("--attach-dependencies", flags->attach_dependencies,
              "Show the output of what the services depend on, too");
  c->add_flag("--rerun-jobs", flags->rerun_jobs, "Run jobs again that have completed");
  c->add_option("--timeline", flags->timeline,
                "Write where the time went: a drawing (.svg) or a trace (.json)");
  c->add_flag("--no-color", flags->logs.no_color, "Plain log prefixes");
  c->add_flag("--no-log-prefix", flags->logs.no_prefix, "Log lines without prefix");
  c->add_flag("--timestamps", flags->logs.timestamps, "The time before each log line");
  c->callback([&, flags] { run = [&, flags] { return up(globals, *flags); }; });
}

void add_create(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<UpFlags>();
  flags->no_start = true;
  CLI::App* c = app.add_subcommand("create", "Create containers and start none");
  add_create_options(c, *flags);
  c->callback([&, flags] { run = [&, flags] { return up(globals, *flags); }; });
}

void add_scale(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<UpFlags>();
  flags->detach = true;
  CLI::App* c = app.add_subcommand("scale", "Set how many containers services have");
  c->add_flag("--no-deps", flags->no_deps, "Leave out what the services depend on");
  c->add_option("scales", flags->scales, "SERVICE=NUMBER")->required();
  c->callback([&, flags] {
    for (const std::string& s : flags->scales) flags->services.push_back(s.substr(0, s.find('=')));
    run = [&, flags] { return up(globals, *flags); };
  });
}

}  // namespace pcompose::cli
