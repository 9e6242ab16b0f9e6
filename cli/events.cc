// events: what happened to the project's containers, and what happens.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/moment.h"
#include "scheduler/event_feed.h"

namespace pcompose::cli {
namespace {

using scheduler::ContainerEvent;

struct EventsFlags {
  bool json = false;
  std::string since, until;
  std::vector<std::string> services;
};

// RFC 3339 in local time, to the nanosecond: as docker compose prints it.
std::string local_text(int64_t ns, const char* format, int digits) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  int64_t fraction = ns % 1'000'000'000;
  for (int i = digits; i < 9; ++i) fraction /= 10;
  return fmt::format("{}.{:0{}}", text, fraction, digits);
}

std::string zone_text(int64_t ns) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  if (parts.tm_gmtoff == 0) return "Z";
  long minutes = std::abs(parts.tm_gmtoff) / 60;
  return fmt::format("{}{:02}:{:02}", parts.tm_gmtoff < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

void print_json(const ContainerEvent& e) {
  json::object attributes;
  for (const auto& [name, value] : e.attributes) attributes[name] = value;
  std::string time = local_text(e.time_ns, "%Y-%m-%dT%H:%M:%S", 9) + zone_text(e.time_ns);
  json::object line{{"action", e.action},      {"attributes", std::move(attributes)},
                    {"id", e.container},       {"service", e.service},
                    {"time", std::move(time)}, {"type", "container"}};
  fmt::print("{}\n", json::serialize(line));
}

void print_text(const ContainerEvent& e) {
  std::string attributes;
  for (const auto& [name, value] : e.attributes)
    attributes += fmt::format("{}{}={}", attributes.empty() ? "" : ", ", name, value);
  fmt::print("{} container {} {} ({})\n", local_text(e.time_ns, "%Y-%m-%d %H:%M:%S", 6), e.action,
             e.container, attributes);
}

int show_events(const Globals& globals, const EventsFlags& flags) {
  std::signal(SIGINT, [](int) { std::_Exit(130); });
  int64_t now = now_ns();
  scheduler::EventFeed feed(Roots::from_environment(), named_project(globals, flags.services).name);
  std::optional<int64_t> until;
  if (!flags.until.empty()) until = parse_moment(flags.until, "--until", now);
  if (flags.since.empty() && !until) {
    feed.skip_existing();
  } else if (!flags.since.empty()) {
    feed.begin_at(parse_moment(flags.since, "--since", now));
  }
  if (until) feed.end_at(*until);
  for (;;) {
    bool last = until && now_ns() >= *until;
    for (const ContainerEvent& e : feed.read()) {
      bool named = flags.services.empty() || std::ranges::count(flags.services, e.service) > 0;
      if (!named || e.one_off) continue;
      flags.json ? print_json(e) : print_text(e);
    }
    std::fflush(stdout);
    if (last) return 0;
    int64_t left_ms = until ? (*until - now_ns()) / 1'000'000 + 1 : 1000;
    feed.wait(static_cast<int>(std::clamp<int64_t>(left_ms, 0, 1000)));
  }
}

}  // namespace

void add_events(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<EventsFlags>();
  CLI::App* c = app.add_subcommand("events", "Show what happens to containers");
  c->add_flag("--json", flags->json, "A JSON object a line");
  c->add_option("--since", flags->since, "From this time on: a date, seconds, or 42m");
  c->add_option("--until", flags->until, "Up to this time, and end then");
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return show_events(globals, *flags); }; });
}

}  // namespace pcompose::cli
