// port, top, ls, volumes, wait: what can be read without a supervisor.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>
#include <poll.h>
#include <pwd.h>
#include <regex>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "cli/command.h"
#include "cli/table.h"
#include "scheduler/control_client.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::ContainerView;
using scheduler::Status;

bool is_up(const ContainerView& v) {
  return v.row.status != Status::created && v.row.status != Status::exited;
}

std::vector<ContainerView> containers(const Globals& globals,
                                      const std::vector<std::string>& services) {
  auto views = scheduler::view_project(Roots::from_environment(), project_name(globals));
  for (const std::string& s : services) {
    bool known =
        std::any_of(views.begin(), views.end(), [&](const auto& v) { return v.row.service == s; });
    if (!known) throw Error("no such service: " + s).hint("no container of that name exists");
  }
  std::erase_if(views, [&](const ContainerView& v) {
    return !services.empty() &&
           std::find(services.begin(), services.end(), v.row.service) == services.end();
  });
  return views;
}

// --- port ---------------------------------------------------------------------------------------

struct PortFlags {
  std::string service, port, protocol = "tcp";
  int index = 0;
};

int port(const Globals& globals, const PortFlags& flags) {
  std::string wanted = flags.port, protocol = flags.protocol;
  if (size_t slash = wanted.find('/'); slash != std::string::npos) {
    protocol = wanted.substr(slash + 1);
    wanted.resize(slash);
  }
  for (const auto& v : containers(globals, {flags.service})) {
    if (v.row.one_off) continue;
    if (flags.index > 0 ? v.row.number != flags.index : !is_up(v)) continue;
    std::string others;
    for (const auto& p : v.ports) {
      if (p.published != 0 && std::to_string(p.target) == wanted && p.protocol == protocol) {
        fmt::print("{}\n", p.address());
        return 0;
      }
      if (p.published != 0)
        others += fmt::format("{}{}->{}/{}", others.empty() ? "" : ", ", p.address(), p.target,
                              p.protocol);
    }
    throw Error(
        fmt::format("no port {}/{} for container {}: {}", wanted, protocol, v.row.name, others));
  }
  std::string which = flags.index > 0 ? fmt::format(" container #{}", flags.index) : "";
  throw Error(fmt::format("service \"{}\" is not running{}", flags.service, which));
}

// --- top ----------------------------------------------------------------------------------------

std::string user_name(uid_t uid) {
  passwd* entry = ::getpwuid(uid);
  return entry == nullptr ? std::to_string(uid) : entry->pw_name;
}

struct Ticks {
  long per_second = ::sysconf(_SC_CLK_TCK);
  [[nodiscard]] std::string clock(unsigned long ticks) const {
    auto seconds = ticks / static_cast<unsigned long>(per_second);
    return fmt::format("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  }
};

// One line as `ps -ef` has it; empty where the process is gone. proc(5).
std::vector<std::string> process_line(pid_t pid) {
  std::string directory = "/proc/" + std::to_string(pid);
  std::ifstream stat(directory + "/stat");
  std::string text{std::istreambuf_iterator<char>(stat), {}};
  size_t end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream fields(text.substr(end + 1));
  std::vector<std::string> f{std::istream_iterator<std::string>(fields), {}};
  if (f.size() < 20) return {};
  struct stat info{};
  ::stat(directory.c_str(), &info);
  std::ifstream line(directory + "/cmdline");
  std::string command{std::istreambuf_iterator<char>(line), {}};
  while (!command.empty() && command.back() == '\0') command.pop_back();
  std::replace(command.begin(), command.end(), '\0', ' ');
  if (command.empty())
    command = "[" + text.substr(text.find('(') + 1, end - text.find('(') - 1) + "]";
  timespec uptime{};
  ::clock_gettime(CLOCK_BOOTTIME, &uptime);
  Ticks ticks;
  auto started = std::stoull(f[19]) / static_cast<unsigned long>(ticks.per_second);
  auto age = static_cast<unsigned long>(uptime.tv_sec) - started;
  auto used = std::stoul(f[11]) + std::stoul(f[12]);
  time_t began = ::time(nullptr) - static_cast<time_t>(age);
  tm parts{};
  ::localtime_r(&began, &parts);
  char when[16];
  std::strftime(when, sizeof when, age < 86400 ? "%H:%M" : "%b%d", &parts);
  unsigned long percent =
      age == 0 ? 0 : used * 100 / static_cast<unsigned long>(ticks.per_second) / age;
  int terminal = std::stoi(f[4]);
  std::string tty = terminal == 0 ? "?" : fmt::format("pts/{}", terminal & 0xff);
  return {user_name(info.st_uid),
          std::to_string(pid),
          f[1],
          std::to_string(percent),
          when,
          tty,
          ticks.clock(used),
          command};
}

int top(const Globals& globals, const std::vector<std::string>& services) {
  for (const auto& v : containers(globals, services)) {
    if (!is_up(v)) continue;
    std::vector<std::vector<std::string>> rows = {
        {"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"}};
    for (pid_t pid : scheduler::processes_of(v.row)) {
      auto line = process_line(pid);
      if (!line.empty()) rows.push_back(std::move(line));
    }
    fmt::print("{}\n{}\n", v.row.name, format_table(rows));
  }
  return 0;
}

// --- ls -----------------------------------------------------------------------------------------

struct ProjectListFlags {
  bool all = false, quiet = false;
  std::string format = "table";
  std::vector<std::string> filters;
};

int list_projects(const ProjectListFlags& flags) {
  std::optional<std::regex> name;
  for (const std::string& filter : flags.filters) {
    if (!filter.starts_with("name="))
      throw Error("invalid filter \"" + filter + "\"").hint("the filter is name=REGEX");
    name = std::regex(filter.substr(5));
  }
  json::array list;
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATUS", "CONFIG FILES"}};
  for (const auto& p : scheduler::view_projects(Roots::from_environment())) {
    bool up = p.states.contains("running") || p.states.contains("paused") ||
              p.states.contains("restarting");
    if ((!up && !flags.all) || (name && !std::regex_search(p.name, *name))) continue;
    std::string status;
    for (const auto& [state, count] : p.states)
      status += fmt::format("{}{}({})", status.empty() ? "" : ", ", state, count);
    if (flags.quiet) fmt::print("{}\n", p.name);
    rows.push_back({p.name, status, p.config_files});
    list.push_back(
        json::object{{"Name", p.name}, {"Status", status}, {"ConfigFiles", p.config_files}});
  }
  if (flags.quiet) return 0;
  fmt::print("{}", flags.format == "json" ? json::serialize(list) + "\n" : format_table(rows));
  return 0;
}

// --- volumes ------------------------------------------------------------------------------------

struct VolumesFlags {
  bool quiet = false;
  std::string format = "table";
  std::vector<std::string> services;
};

// The volumes that containers of some services have; all where none is named.
std::vector<scheduler::VolumeView> volumes_of(const Roots& roots, const std::string& project,
                                              const std::vector<std::string>& services) {
  auto all = scheduler::view_volumes(roots, project);
  if (services.empty()) return all;
  std::set<std::string> keys, names;
  for (const auto& v : scheduler::view_project(roots, project)) {
    if (std::ranges::count(services, v.row.service) == 0) continue;
    keys.insert(v.volumes.begin(), v.volumes.end());
    for (const auto& [target, name] : v.row.anonymous_volumes) names.insert(name);
  }
  std::erase_if(all,
                [&](const auto& v) { return !keys.contains(v.key) && !names.contains(v.name); });
  return all;
}

int volumes(const Globals& globals, const VolumesFlags& flags) {
  std::vector<std::vector<std::string>> rows = {{"DRIVER", "VOLUME NAME"}};
  std::string project = named_project(globals, flags.services).name;
  for (const auto& v : volumes_of(Roots::from_environment(), project, flags.services)) {
    if (flags.quiet) fmt::print("{}\n", v.name);
    if (!flags.quiet && flags.format == "json") {
      std::string labels;
      for (const auto& [key, value] : v.labels)
        labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", key, value);
      fmt::print("{}\n", json::serialize(json::object{{"Availability", "N/A"},
                                                      {"Driver", "local"},
                                                      {"Group", "N/A"},
                                                      {"Labels", labels},
                                                      {"Links", "N/A"},
                                                      {"Mountpoint", v.mountpoint},
                                                      {"Name", v.name},
                                                      {"Scope", "local"},
                                                      {"Size", "N/A"},
                                                      {"Status", "N/A"}}));
    }
    rows.push_back({"local", v.name});
  }
  if (!flags.quiet && flags.format != "json") fmt::print("{}", format_table(rows));
  return 0;
}

// --- wait ---------------------------------------------------------------------------------------

// The container as it is once its process is gone and its supervisor has written that down.
std::optional<ContainerView> after_end(const Roots& roots, const ContainerView& view) {
  try {
    Pidfd process = Pidfd::open(view.row.pid);
    if (process_start_time(view.row.pid) == view.row.pid_start) {
      pollfd ended{process.get(), POLLIN, 0};
      while (::poll(&ended, 1, -1) < 0 && errno == EINTR) continue;
    }
  } catch (const Error&) {
    // It is gone already.
  }
  for (int i = 0; i < 100; ++i) {
    for (auto& now : scheduler::view_project(roots, view.row.project)) {
      bool settled = !now.unsettled || i == 99;
      if (now.row.id == view.row.id && now.row.status == Status::exited && settled) return now;
      // A restart: the container goes on.
      if (now.row.id == view.row.id && is_up(now) && now.row.pid != view.row.pid &&
          now.row.pid != 0)
        return after_end(roots, now);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return std::nullopt;
}

int wait(const Globals& globals, const std::vector<std::string>& services, bool take_down) {
  Roots roots = Roots::from_environment();
  auto views = containers(globals, services);
  std::erase_if(views, [](const ContainerView& v) { return !is_up(v) || v.row.one_off; });
  if (views.empty())
    throw Error("no containers for project \"" + project_name(globals) + "\": nothing to wait for");
  int code = 0;
  int64_t last = 0;
  for (const auto& v : views) {
    auto ended = after_end(roots, v);
    if (!ended) continue;
    fmt::print("container \"{}\" exited with status code {}\n", ended->row.short_id(),
               ended->row.exit_code);
    std::fflush(stdout);
    if (ended->row.finished_ns >= last) code = ended->row.exit_code;
    last = std::max(last, ended->row.finished_ns);
  }
  if (!take_down) return code;
  scheduler::ControlClient client(roots, project_name(globals));
  Progress progress(globals);
  int down = report(
      client.call(
          "/v1/down", {{"remove_orphans", true}},
          [&](const json::object& event) { progress.show(event); }, scheduler::Start::if_missing),
      globals);
  return down == 0 ? code : down;
}

}  // namespace

void add_inspect(CLI::App& app, Globals& globals, Run& run) {
  auto port_flags = std::make_shared<PortFlags>();
  CLI::App* c = app.add_subcommand("port", "The public address of a published port");
  c->add_option("service", port_flags->service)->required();
  c->add_option("port", port_flags->port, "In the container")->required();
  c->add_option("--protocol", port_flags->protocol)->check(CLI::IsMember({"tcp", "udp"}));
  c->add_option("--index", port_flags->index, "Which replica");
  c->callback([&, port_flags] { run = [&, port_flags] { return port(globals, *port_flags); }; });

  auto top_services = std::make_shared<std::vector<std::string>>();
  c = app.add_subcommand("top", "Processes of running containers");
  c->add_option("services", *top_services, "Only these");
  c->callback(
      [&, top_services] { run = [&, top_services] { return top(globals, *top_services); }; });

  auto ls_flags = std::make_shared<ProjectListFlags>();
  c = app.add_subcommand("ls", "List projects");
  c->add_flag("-a,--all", ls_flags->all, "Stopped ones, too");
  c->add_flag("-q,--quiet", ls_flags->quiet, "Only names");
  c->add_option("--format", ls_flags->format)->check(CLI::IsMember({"table", "json"}));
  c->add_option("--filter", ls_flags->filters, "name=REGEX")->allow_extra_args(false);
  c->callback([&run, ls_flags] { run = [ls_flags] { return list_projects(*ls_flags); }; });

  auto volume_flags = std::make_shared<VolumesFlags>();
  c = app.add_subcommand("volumes", "List the project's volumes");
  c->add_flag("-q,--quiet", volume_flags->quiet, "Only names");
  c->add_option("--format", volume_flags->format)->check(CLI::IsMember({"table", "json"}));
  c->add_option("services", volume_flags->services, "Only what containers of these have");
  c->callback(
      [&, volume_flags] { run = [&, volume_flags] { return volumes(globals, *volume_flags); }; });

  auto waited = std::make_shared<std::vector<std::string>>();
  auto take_down = std::make_shared<bool>(false);
  c = app.add_subcommand("wait", "Wait until containers of services have stopped");
  c->add_option("services", *waited)->required();
  c->add_flag("--down-project", *take_down, "Take the project down after that");
  c->callback([&, waited, take_down] {
    run = [&, waited, take_down] { return wait(globals, *waited, *take_down); };
  });
}

}  // namespace pcompose::cli
