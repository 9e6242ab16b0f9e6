#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "cli/command.h"
#include "cli/table.h"
#include "cli/template.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::ContainerView;
using scheduler::Health;
using scheduler::Status;

struct PsFlags {
  bool all = false, quiet = false, services_only = false, no_trunc = false, orphans = true;
  std::string format;
  std::vector<std::string> statuses, filters;
  std::vector<std::string> services;
};

long age(int64_t since_ns) {
  auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return static_cast<long>((now.count() - since_ns) / 1'000'000'000);
}

std::string status_text(const scheduler::ContainerRow& row) {
  switch (row.status) {
    case Status::created:
      return "Created";
    case Status::restarting:
      return fmt::format("Restarting ({}) {} ago", row.exit_code,
                         words_of_duration(age(row.finished_ns)));
    case Status::exited:
      return fmt::format("Exited ({}) {} ago", row.exit_code,
                         words_of_duration(age(row.finished_ns)));
    case Status::paused:
      return fmt::format("Up {} (Paused)", words_of_duration(age(row.started_ns)));
    case Status::running:
      break;
  }
  std::string text = "Up " + words_of_duration(age(row.started_ns));
  if (row.health == Health::starting) text += " (health: starting)";
  if (row.health == Health::healthy || row.health == Health::unhealthy) {
    text += fmt::format(" ({})", scheduler::health_name(row.health));
  }
  return text;
}

// Why it ended, or what it runs without, or on.
std::string remark(const scheduler::ContainerRow& row) {
  bool died = row.error.find("out of memory") != std::string::npos;
  bool lacks = row.status != Status::exited && row.error.starts_with("runs ");
  return died || lacks ? fmt::format(" ({})", row.error) : "";
}

std::string ports_text(const ContainerView& view) {
  std::string out;
  for (const auto& p : view.ports) {
    if (!out.empty()) out += ", ";
    if (p.published != 0) out += p.address() + "->";
    out += fmt::format("{}/{}", p.target, p.protocol);
  }
  return out;
}

std::string shortened(const std::string& command, bool whole) {
  if (whole || command.size() <= 20) return fmt::format("\"{}\"", command);
  return fmt::format("\"{}…\"", command.substr(0, 19));
}

std::string local_time(int64_t ns) {
  auto seconds = static_cast<time_t>(ns / 1'000'000'000);
  tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &parts)};
}

json::object as_json(const ContainerView& v, bool whole) {
  json::array publishers;
  for (const auto& p : v.ports) {
    publishers.push_back(json::object{{"URL", p.url},
                                      {"TargetPort", p.target},
                                      {"PublishedPort", p.published},
                                      {"Protocol", p.protocol}});
  }
  std::string labels, networks;
  for (const auto& [key, value] : v.labels)
    labels += (labels.empty() ? "" : ",") + key + "=" + value;
  for (const std::string& n : v.networks) networks += (networks.empty() ? "" : ",") + n;
  json::value probes = v.row.probes.empty() ? json::array() : json::parse(v.row.probes);
  return {{"Command", shortened(v.row.command, whole)},
          {"CreatedAt", local_time(v.row.created_ns)},
          {"ExitCode", v.row.exit_code},
          {"Health", scheduler::health_name(v.row.health)},
          {"HealthLog", std::move(probes)},
          {"ID", whole ? v.row.id : v.row.short_id()},
          {"Image", v.row.image},
          {"Labels", labels},
          {"LocalVolumes", std::to_string(v.volumes.size() + v.row.anonymous_volumes.size())},
          {"Mounts", ""},
          {"Name", v.row.name},
          {"Names", v.row.name},
          {"Networks", networks},
          {"Ports", ports_text(v)},
          {"Project", v.row.project},
          {"Publishers", std::move(publishers)},
          {"RunningFor", words_of_duration(age(v.row.created_ns)) + " ago"},
          {"Service", v.row.service},
          {"Size", "0B"},
          {"State", scheduler::status_name(v.row.status)},
          {"Status", status_text(v.row) + remark(v.row)}};
}

bool wanted(const ContainerView& v, const PsFlags& flags) {
  auto has = [](const auto& list, const std::string& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (!flags.services.empty() && !has(flags.services, v.row.service)) return false;
  if (!flags.statuses.empty()) return has(flags.statuses, scheduler::status_name(v.row.status));
  if (v.row.one_off && !flags.all) return false;
  return flags.all || (v.row.status != Status::created && v.row.status != Status::exited);
}

void print_table(const std::vector<ContainerView>& views, bool whole) {
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"}};
  for (const auto& v : views) {
    rows.push_back({v.row.name, v.row.image, shortened(v.row.command, whole), v.row.service,
                    words_of_duration(age(v.row.created_ns)) + " ago",
                    status_text(v.row) + remark(v.row), ports_text(v)});
  }
  fmt::print("{}", format_table(rows));
}

// "status=running" is the one filter that docker compose has.
std::vector<std::string> states_of(const PsFlags& flags) {
  static const std::vector<std::string> kStates = {"paused", "restarting", "removing", "running",
                                                   "dead",   "created",    "exited"};
  auto out = flags.statuses;
  for (const std::string& filter : flags.filters) {
    if (!filter.starts_with("status="))
      throw Error("invalid filter \"" + filter + "\"").hint("the filter is status=STATE");
    out.push_back(filter.substr(7));
  }
  for (const std::string& state : out) {
    if (std::ranges::count(kStates, state) == 0) {
      throw Error("\"" + state + "\" is no state of a container")
          .hint("there are paused, restarting, removing, running, dead, created and exited");
    }
  }
  return out;
}

// What the configuration of docker's client says about our table, too; "table" where it says
// nothing.
std::string configured_format() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string directory = variable("DOCKER_CONFIG");
  if (directory.empty()) directory = variable("HOME") + "/.docker";
  std::string path = directory + "/config.json";
  if (::access(path.c_str(), R_OK) != 0) return "table";
  boost::system::error_code bad;
  json::value config = json::parse(read_file(path, 1U << 20U), bad);
  const json::value* format =
      bad || !config.is_object() ? nullptr : config.get_object().if_contains("psFormat");
  bool said = format != nullptr && format->is_string() && !format->get_string().empty();
  return said ? std::string(format->get_string()) : "table";
}

int ps(const Globals& globals, PsFlags flags) {
  flags.statuses = states_of(flags);
  if (flags.format.empty()) flags.format = configured_format();
  NamedProject named = named_project(globals, flags.services);
  const std::string& name = named.name;
  Roots roots = Roots::from_environment();
  auto views = scheduler::view_project(roots, name);
  for (const std::string& s : flags.services) {
    bool known =
        std::any_of(views.begin(), views.end(), [&](const auto& v) { return v.row.service == s; });
    auto project = known ? std::nullopt : scheduler::stored_project(roots, name);
    if (!known && (!project || !project->services.contains(s)))
      throw Error("no such service: " + s);
  }
  std::erase_if(views, [&](const auto& v) { return !wanted(v, flags); });
  if (!flags.orphans) {
    auto project = scheduler::stored_project(roots, name);
    std::erase_if(views, [&](const auto& v) {
      if (named.scope) return !named.has(v.row.service);
      return project && !project->services.contains(v.row.service);
    });
  }
  if (flags.quiet) {
    for (const auto& v : views) fmt::print("{}\n", v.row.id);
  } else if (flags.services_only) {
    std::set<std::string> names;
    for (const auto& v : views) names.insert(v.row.service);
    for (const std::string& n : names) fmt::print("{}\n", n);
  } else if (flags.format == "json") {
    for (const auto& v : views) fmt::print("{}\n", json::serialize(as_json(v, flags.no_trunc)));
  } else if (flags.format == "table") {
    print_table(views, flags.no_trunc);
  } else {
    std::vector<json::object> rows;
    for (const auto& v : views) rows.push_back(as_json(v, flags.no_trunc));
    fmt::print("{}", format_rows(flags.format, rows));
  }
  return 0;
}

}  // namespace

void add_ps(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<PsFlags>();
  CLI::App* c = app.add_subcommand("ps", "List containers");
  c->add_flag("-a,--all", flags->all, "Stopped ones, too");
  c->add_flag("-q,--quiet", flags->quiet, "Only ids");
  c->add_flag("--services", flags->services_only, "Only the names of services");
  c->add_flag("--no-trunc", flags->no_trunc, "Whole commands and ids");
  c->add_option("--format", flags->format, "table, json, or a Go template");
  c->add_option("--filter", flags->filters, "status=STATE")->allow_extra_args(false);
  c->add_flag("--orphans,!--no-orphans", flags->orphans,
              "Containers of services that are no more, too (the default)");
  c->add_option("--status", flags->statuses, "Only containers in this state")
      ->allow_extra_args(false);
  c->add_option("services", flags->services, "Only these");
  c->callback([&, flags] { run = [&, flags] { return ps(globals, *flags); }; });
}

}  // namespace pcompose::cli
