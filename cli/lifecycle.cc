// down, stop, start, restart, kill, pause, unpause, rm: commands for containers that exist.
#include <iostream>
#include <memory>
#include <set>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/process.h"
#include "cli/command.h"
#include "scheduler/control_client.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

struct LifeFlags {
  bool volumes = false, remove_orphans = false, no_deps = false, wait = false, stop = false,
       force = false, all = false;
  int timeout = -1, wait_timeout = -1;
  std::string signal = "SIGKILL", rmi;
  std::vector<std::string> services;
};

int call(const Globals& globals, const LifeFlags& flags, const std::string& verb) {
  auto [name, scope] = named_project(globals, flags.services);
  json::object body{{"services", to_array(flags.services)},
                    {"volumes", flags.volumes},
                    {"remove_orphans", flags.remove_orphans || is_true("COMPOSE_REMOVE_ORPHANS")},
                    {"no_deps", flags.no_deps},
                    {"wait", flags.wait},
                    {"stop", flags.stop},
                    {"signal", flags.signal},
                    {"parallel", parallel_limit(globals)},
                    {"dry_run", globals.dry_run}};
  if (scope) body["scope"] = *scope;
  if (flags.timeout >= 0) body["timeout"] = flags.timeout;
  if (flags.wait_timeout >= 0) body["wait_timeout"] = flags.wait_timeout;
  scheduler::ControlClient client(Roots::from_environment(), name);
  Progress progress(globals);
  return report(client.call(
                    "/v1/" + verb, body, [&](const json::object& event) { progress.show(event); },
                    scheduler::Start::if_missing),
                globals);
}

// By `pcompose image rm`, which enters an ordinary user's namespaces as a whole. An image that
// others use, or that is gone, is told of and no failure.
void remove_images(const std::set<std::string>& images) {
  std::vector<std::string> command = {own_program("pcompose"), "image", "rm"};
  command.insert(command.end(), images.begin(), images.end());
  spawn({.argv = std::move(command),
         .environment = current_environment(),
         .fds = {{0, 0}, {1, 1}, {2, 2}},
         .session = Session::same,
         .directory = ""})
      .wait();
}

int down(const Globals& globals, const LifeFlags& flags) {
  Roots roots = Roots::from_environment();
  std::set<std::string> images;
  // Nothing is built yet, so every image has a name: `local` finds none.
  if (flags.rmi == "all") {
    for (const auto& v : scheduler::view_project(roots, project_name(globals)))
      images.insert(v.row.image);
  }
  int code = call(globals, flags, "down");
  if (code == 0 && !globals.dry_run && !images.empty()) remove_images(images);
  return code;
}

bool is_up(scheduler::Status status) {
  return status != scheduler::Status::created && status != scheduler::Status::exited;
}

// Asks before anything goes.
int remove(const Globals& globals, const LifeFlags& flags) {
  std::vector<std::string> names;
  NamedProject project = named_project(globals, flags.services);
  for (const auto& v : scheduler::view_project(Roots::from_environment(), project.name)) {
    bool named = flags.services.empty() || std::find(flags.services.begin(), flags.services.end(),
                                                     v.row.service) != flags.services.end();
    if (named && !v.row.one_off && project.has(v.row.service) &&
        (flags.stop || !is_up(v.row.status)))
      names.push_back(v.row.name);
  }
  if (names.empty()) {
    fmt::print(stderr, "No stopped containers\n");
    return 0;
  }
  if (!flags.force && !globals.dry_run) {
    fmt::print("? Going to remove {} [yN] ", fmt::join(names, ", "));
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "y" && answer != "Y" && answer != "yes") return 0;
  }
  return call(globals, flags, "rm");
}

CLI::App* add_command(CLI::App& app, Globals& globals, Run& run, const std::string& name,
                      const std::string& help, const std::shared_ptr<LifeFlags>& flags) {
  CLI::App* c = app.add_subcommand(name, help);
  c->add_option("services", flags->services, "Only these");
  c->callback([&globals, &run, flags, name] {
    run = [&globals, flags, name] {
      if (name == "rm") return remove(globals, *flags);
      return name == "down" ? down(globals, *flags) : call(globals, *flags, name);
    };
  });
  return c;
}

void add_timeout(CLI::App* c, LifeFlags& flags) {
  c->add_option("-t,--timeout", flags.timeout, "Seconds before SIGKILL")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_lifecycle(CLI::App& app, Globals& globals, Run& run) {
  auto add = [&](const std::string& name, const std::string& help) {
    auto flags = std::make_shared<LifeFlags>();
    return std::pair(add_command(app, globals, run, name, help, flags), flags);
  };
  auto [down, down_flags] = add("down", "Stop and remove containers and networks");
  down->add_flag("-v,--volumes,--volume", down_flags->volumes, "Remove the project's volumes, too");
  down->add_flag("--remove-orphans", down_flags->remove_orphans,
                 "Remove containers of services the file does not have, too, and of run");
  down->add_option("--rmi", down_flags->rmi,
                   "Remove images, too: all that services use, or local: built without a name")
      ->check(CLI::IsMember({"all", "local"}));
  add_timeout(down, *down_flags);
  auto [stop, stop_flags] = add("stop", "Stop containers");
  add_timeout(stop, *stop_flags);
  auto [start, start_flags] = add("start", "Start containers that exist");
  start->add_flag("--wait", start_flags->wait, "Return once all are running or healthy");
  start->add_option("--wait-timeout", start_flags->wait_timeout, "Give up after so many seconds")
      ->check(CLI::NonNegativeNumber);
  auto [restart, restart_flags] = add("restart", "Stop and start containers as they are");
  restart->add_flag("--no-deps", restart_flags->no_deps, "Leave alone what depends on them");
  add_timeout(restart, *restart_flags);
  auto [kill, kill_flags] = add("kill", "Send a signal to containers");
  kill->add_option("-s,--signal", kill_flags->signal, "Name or number");
  kill->add_flag("--remove-orphans", kill_flags->remove_orphans,
                 "Containers of services the file does not have, too");
  add("pause", "Freeze containers");
  add("unpause", "Let frozen containers go on");
  auto [rm, rm_flags] = add("rm", "Remove stopped containers");
  rm->add_flag("-f,--force", rm_flags->force, "Do not ask");
  rm->add_flag("-s,--stop", rm_flags->stop, "Stop them first");
  rm->add_flag("-v,--volumes", rm_flags->volumes, "Remove anonymous volumes, too");
  rm->add_flag("-a,--all", rm_flags->all, "No effect")->group("");
}

}  // namespace pcompose::cli
