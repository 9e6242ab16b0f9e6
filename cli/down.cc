#include <memory>

#include "cli/command.h"
#include "scheduler/control_client.h"

namespace pcompose::cli {
namespace {

struct StopFlags {
  bool volumes = false, remove_orphans = false;
  int timeout = -1;
  std::vector<std::string> services;
};

int call(const Globals& globals, const StopFlags& flags, const char* target) {
  std::string name = project_name(globals);
  json::object body{{"services", to_array(flags.services)},
                    {"volumes", flags.volumes},
                    {"dry_run", globals.dry_run}};
  if (flags.timeout >= 0) body["timeout"] = flags.timeout;
  scheduler::ControlClient client(Roots::from_environment(), name);
  Progress progress(globals);
  return report(client.call(
      target, body, [&](const json::object& event) { progress.show(event); },
      scheduler::Start::if_missing));
}

}  // namespace

void add_down(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<StopFlags>();
  CLI::App* c = app.add_subcommand("down", "Stop and remove containers and networks");
  c->add_flag("-v,--volumes", flags->volumes, "Remove the project's volumes, too");
  c->add_flag("--remove-orphans", flags->remove_orphans,
              "Accepted: down removes every container of the project");
  c->add_option("-t,--timeout", flags->timeout, "Seconds before SIGKILL")
      ->check(CLI::NonNegativeNumber);
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return call(globals, *flags, "/v1/down"); }; });
}

void add_stop(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<StopFlags>();
  CLI::App* c = app.add_subcommand("stop", "Stop containers");
  c->add_option("-t,--timeout", flags->timeout, "Seconds before SIGKILL")
      ->check(CLI::NonNegativeNumber);
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return call(globals, *flags, "/v1/stop"); }; });
}

}  // namespace pcompose::cli
