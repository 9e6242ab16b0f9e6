// pod ps, inspect, stats, pause, unpause, kill: a project whose containers share their namespaces.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/table.h"
#include "scheduler/control_client.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::ContainerView;
using scheduler::Status;

struct PodFlags {
  bool quiet = false;
  std::string format = "table";
  std::string signal = "SIGKILL";
  std::vector<std::string> names;
};

bool is_pod(const Roots& roots, const std::string& name) {
  auto project = scheduler::stored_project(roots, name);
  return project && project->pod;
}

// The pods that were named, or all.
std::vector<std::string> chosen(const Roots& roots, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!is_pod(roots, name)) {
      throw Error("there is no pod " + name).hint("a project is one with `up --pod`");
    }
  }
  if (!names.empty()) return names;
  std::vector<std::string> out;
  for (const auto& p : scheduler::view_projects(roots)) {
    if (is_pod(roots, p.name)) out.push_back(p.name);
  }
  return out;
}

// As podman says it: Running where all run, Degraded where some do.
std::string state_of(const std::vector<ContainerView>& views) {
  size_t running = 0, paused = 0, created = 0;
  for (const auto& v : views) {
    if (v.row.status == Status::running || v.row.status == Status::restarting) ++running;
    if (v.row.status == Status::paused) ++paused;
    if (v.row.status == Status::created) ++created;
  }
  if (views.empty() || created == views.size()) return "Created";
  if (running == views.size()) return "Running";
  if (paused == views.size()) return "Paused";
  return running + paused > 0 ? "Degraded" : "Exited";
}

int ps(const PodFlags& flags) {
  Roots roots = Roots::from_environment();
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATUS", "# OF CONTAINERS"}};
  for (const std::string& name : chosen(roots, flags.names)) {
    auto views = scheduler::view_project(roots, name);
    std::string state = state_of(views);
    if (flags.quiet) fmt::print("{}\n", name);
    rows.push_back({name, state, std::to_string(views.size())});
    list.push_back(json::object{{"Name", name}, {"Status", state}, {"Containers", views.size()}});
  }
  if (flags.quiet) return 0;
  fmt::print("{}", flags.format == "json" ? json::serialize(list) + "\n" : format_table(rows));
  return 0;
}

json::object inspect_one(const Roots& roots, const std::string& name) {
  auto views = scheduler::view_project(roots, name);
  json::array containers, ports;
  for (const auto& v : views) {
    containers.push_back(json::object{
        {"Id", v.row.id}, {"Name", v.row.name}, {"State", scheduler::status_name(v.row.status)}});
    for (const auto& p : v.ports) {
      if (p.published == 0) continue;
      ports.push_back(json::object{{"HostIp", p.url},
                                   {"HostPort", std::to_string(p.published)},
                                   {"Target", fmt::format("{}/{}", p.target, p.protocol)}});
    }
  }
  json::array shared{"ipc", "net", "uts"};
  if (scheduler::stored_project(roots, name)->pod_pid) shared.push_back("pid");
  return {{"Name", name},
          {"State", state_of(views)},
          {"Hostname", name},
          {"SharedNamespaces", std::move(shared)},
          {"NumContainers", views.size()},
          {"Containers", std::move(containers)},
          {"Ports", std::move(ports)}};
}

int inspect(const PodFlags& flags) {
  Roots roots = Roots::from_environment();
  json::array out;
  for (const std::string& name : chosen(roots, flags.names)) {
    out.push_back(inspect_one(roots, name));
  }
  fmt::print("{}\n", json::serialize(out));
  return 0;
}

struct Usage {
  uint64_t memory = 0;  // bytes, resident
  double cpu = 0;       // seconds
  size_t processes = 0;
};

// proc(5): fields 14 and 15 of stat are clock ticks, field 2 of statm is pages.
Usage usage_of(const scheduler::ContainerRow& row) {
  Usage out;
  for (pid_t pid : scheduler::processes_of(row)) {
    std::string directory = fmt::format("/proc/{}", pid);
    std::ifstream statm(directory + "/statm");
    uint64_t pages = 0;
    statm >> pages >> pages;
    out.memory += pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
    std::ifstream stat(directory + "/stat");
    std::string text{std::istreambuf_iterator<char>(stat), {}};
    size_t end = text.rfind(')');
    if (end == std::string::npos) continue;  // it ended just now
    std::istringstream fields(text.substr(end + 1));
    std::vector<std::string> f{std::istream_iterator<std::string>(fields), {}};
    if (f.size() < 13) continue;
    auto ticks = static_cast<double>(std::stoull(f[11]) + std::stoull(f[12]));
    out.cpu += ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    ++out.processes;
  }
  return out;
}

int stats(const PodFlags& flags) {
  Roots roots = Roots::from_environment();
  json::array list;
  std::vector<std::vector<std::string>> rows = {
      {"POD", "CONTAINER", "CPU TIME", "MEM USAGE", "PIDS"}};
  for (const std::string& pod : chosen(roots, flags.names)) {
    for (const auto& v : scheduler::view_project(roots, pod)) {
      if (v.row.status != Status::running && v.row.status != Status::paused) continue;
      Usage u = usage_of(v.row);
      rows.push_back({pod, v.row.name, fmt::format("{:.2f}s", u.cpu),
                      fmt::format("{:.1f}MB", static_cast<double>(u.memory) / 1e6),
                      std::to_string(u.processes)});
      list.push_back(json::object{{"Pod", pod},
                                  {"Name", v.row.name},
                                  {"CPUSeconds", u.cpu},
                                  {"MemBytes", u.memory},
                                  {"PIDs", u.processes}});
    }
  }
  fmt::print("{}", flags.format == "json" ? json::serialize(list) + "\n" : format_table(rows));
  return 0;
}

int call(const Globals& globals, const std::string& verb, const PodFlags& flags) {
  Roots roots = Roots::from_environment();
  int code = 0;
  for (const std::string& name : chosen(roots, flags.names)) {
    json::object body{{"services", json::array()}, {"signal", flags.signal}};
    Progress progress(globals);
    scheduler::ControlClient client(roots, name);
    auto result = client.call(
        "/v1/" + verb, body, [&](const json::object& event) { progress.show(event); },
        scheduler::Start::if_missing);
    code = std::max(code, report(result));
  }
  return code;
}

}  // namespace

void add_pod(CLI::App& app, Globals& globals, Run& run) {
  CLI::App* pod = app.add_subcommand("pod", "Projects whose containers share their namespaces");
  pod->require_subcommand(1);
  auto add = [&](const char* name, const char* help, auto body) {
    auto flags = std::make_shared<PodFlags>();
    CLI::App* c = pod->add_subcommand(name, help);
    c->add_option("pods", flags->names, "Names of projects; all where none is given");
    c->callback([&run, flags, body] { run = [flags, body] { return body(*flags); }; });
    return std::pair(c, flags);
  };
  auto formatted = [](CLI::App* c, PodFlags& flags) {
    c->add_option("--format", flags.format, "table or json")
        ->check(CLI::IsMember({"table", "json"}));
  };
  auto [list, list_flags] = add("ps", "List pods", [](const PodFlags& f) { return ps(f); });
  list->alias("ls");
  list->add_flag("-q,--quiet", list_flags->quiet, "Only names");
  formatted(list, *list_flags);
  add("inspect", "Everything about pods, as JSON", [](const PodFlags& f) { return inspect(f); });
  auto [usage, usage_flags] =
      add("stats", "What the containers of pods use", [](const PodFlags& f) { return stats(f); });
  formatted(usage, *usage_flags);
  for (const char* verb : {"pause", "unpause", "kill"}) {
    auto [c, flags] = add(verb, "All containers of pods",
                          [&globals, verb](const PodFlags& f) { return call(globals, verb, f); });
    if (std::string(verb) == "kill") c->add_option("-s,--signal", flags->signal, "Name or number");
  }
}

}  // namespace pcompose::cli
