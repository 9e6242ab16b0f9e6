#include <charconv>
#include <csignal>
#include <memory>

#include "cli/command.h"
#include "cli/log_printer.h"

namespace pcompose::cli {
namespace {

struct LogsFlags {
  bool follow = false;
  std::string tail = "all";
  LogFormat format;
  std::vector<std::string> services;
};

int logs(const Globals& globals, const LogsFlags& flags) {
  LogFormat format = flags.format;
  size_t count = 0;
  auto [end, error] =
      std::from_chars(flags.tail.data(), flags.tail.data() + flags.tail.size(), count);
  if (error == std::errc() && *end == '\0')
    format.tail = count;  // anything else is "all", as docker has it
  Roots roots = Roots::from_environment();
  std::string name = project_name(globals);
  LogPrinter printer(roots, name, flags.services, format);
  if (auto project = scheduler::stored_project(roots, name); project && flags.services.empty()) {
    std::vector<std::string> shown;
    for (const auto& [service, described] : project->services)
      if (described.attach.value_or(true)) shown.push_back(service);
    if (shown.size() < project->services.size()) printer.show_only(std::move(shown));
  }
  printer.print_existing();
  if (!flags.follow) return 0;
  // Ctrl-C ends it with 130 without a handler of ours.
  std::signal(SIGINT, [](int) { std::_Exit(130); });
  while (printer.running() > 0) printer.wait_and_print(250);
  printer.wait_and_print(0);
  return 0;
}

}  // namespace

void add_logs(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<LogsFlags>();
  CLI::App* c = app.add_subcommand("logs", "Show the output of containers");
  c->add_flag("-f,--follow", flags->follow, "Go on with what they print from now on");
  c->add_option("-n,--tail", flags->tail, "Only the last lines of each, or all");
  c->add_flag("-t,--timestamps", flags->format.timestamps, "The time before each line");
  c->add_flag("--no-color", flags->format.no_color, "Plain prefixes");
  c->add_flag("--no-log-prefix", flags->format.no_prefix, "Lines without prefix");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return logs(globals, *flags); }; });
}

}  // namespace pcompose::cli
