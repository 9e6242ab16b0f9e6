#include <charconv>
#include <csignal>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/log_printer.h"
#include "cli/moment.h"

namespace pcompose::cli {
namespace {

struct LogsFlags {
  bool follow = false;
  std::string tail = "all", since, until;
  int index = 0;
  LogFormat format;
  std::vector<std::string> services;
};

void require_replica(const Roots& roots, const std::string& project, const std::string& service,
                     int index) {
  for (const auto& view : scheduler::view_project(roots, project)) {
    bool same = view.row.service == service && view.row.number == index;
    if (same && !view.row.one_off) return;
  }
  throw Error(fmt::format("service \"{}\" is not running container #{}", service, index))
      .hint("pcompose ps -a shows those that there are");
}

int logs(const Globals& globals, const LogsFlags& flags) {
  LogFormat format = flags.format;
  size_t count = 0;
  auto [end, error] =
      std::from_chars(flags.tail.data(), flags.tail.data() + flags.tail.size(), count);
  if (error == std::errc() && *end == '\0')
    format.tail = count;  // anything else is "all", as docker has it
  Roots roots = Roots::from_environment();
  NamedProject project = named_project(globals, flags.services);
  if (flags.index > 0 && flags.services.size() != 1)
    throw Error("--index needs exactly one service").hint("pcompose logs --index 2 SERVICE");
  if (flags.index > 0) require_replica(roots, project.name, flags.services[0], flags.index);
  LogPrinter printer(roots, project.name, flags.services, format);
  printer.only_replica(flags.index);
  int64_t now = now_ns();
  if (!flags.since.empty())
    printer.skip_before(utc_text(parse_moment(flags.since, "--since", now)));
  int64_t until = INT64_MAX;
  if (!flags.until.empty()) {
    until = parse_moment(flags.until, "--until", now);
    printer.skip_after(utc_text(until));
  }
  if (auto stored = scheduler::stored_project(roots, project.name);
      stored && flags.services.empty()) {
    std::vector<std::string> shown;
    for (const auto& [service, described] : stored->services)
      if (described.attach.value_or(true)) shown.push_back(service);
    if (shown.size() < stored->services.size()) printer.show_only(std::move(shown));
  }
  printer.print_existing();
  if (!flags.follow) return 0;
  // Ctrl-C ends it with 130 without a handler of ours.
  std::signal(SIGINT, [](int) { std::_Exit(130); });
  while (printer.running() > 0 && now_ns() < until) printer.wait_and_print(250);
  printer.wait_and_print(0);
  return 0;
}

}  // namespace

void add_logs(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<LogsFlags>();
  CLI::App* c = app.add_subcommand("logs", "Show the output of containers");
  c->add_flag("-f,--follow", flags->follow, "Go on with what they print from now on");
  c->add_option("-n,--tail", flags->tail, "Only the last lines of each, or all");
  c->add_option("--since", flags->since, "From this time on: a date, seconds, or 42m");
  c->add_option("--until", flags->until, "Up to this time");
  c->add_option("--index", flags->index, "Only this replica of a service");
  c->add_flag("-t,--timestamps", flags->format.timestamps, "The time before each line");
  c->add_flag("--no-color", flags->format.no_color, "Plain prefixes");
  c->add_flag("--no-log-prefix", flags->format.no_prefix, "Lines without prefix");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return logs(globals, *flags); }; });
}

}  // namespace pcompose::cli
