// stats: what containers use, once or every second.
#include <chrono>
#include <csignal>
#include <map>
#include <memory>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/template.h"
#include "scheduler/resource_usage.h"
#include "scheduler/view.h"

namespace pcompose::cli {
namespace {

using scheduler::ResourceUsage;

struct StatsFlags {
  bool all = false, no_stream = false, no_trunc = false;
  std::string format = "table", service;
};

constexpr const char* kTable =
    "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}"
    "\t{{.PIDs}}";

// As docker writes sizes: powers of 1024 for memory, of 1000 for traffic.
std::string size_text(uint64_t bytes, double unit, const std::vector<const char*>& names) {
  auto value = static_cast<double>(bytes);
  size_t i = 0;
  for (; value >= unit && i + 1 < names.size(); ++i) value /= unit;
  return fmt::format("{:.4g}{}", value, names[i]);
}
std::string memory_text(uint64_t bytes) {
  return size_text(bytes, 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}
std::string traffic_text(uint64_t bytes) {
  return size_text(bytes, 1000, {"B", "kB", "MB", "GB", "TB"});
}

struct Sample {
  Instant at;
  ResourceUsage usage;
};

json::object row_of(const scheduler::ContainerRow& row, const Sample* now, const Sample* before,
                    bool whole) {
  static const ResourceUsage kNothing;
  const ResourceUsage& u = now == nullptr ? kNothing : now->usage;
  double cpu = 0;
  if (now != nullptr && before != nullptr && u.cpu_ns >= before->usage.cpu_ns) {
    auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now->at - before->at);
    cpu = 100.0 * static_cast<double>(u.cpu_ns - before->usage.cpu_ns) /
          static_cast<double>(passed.count());
  }
  double memory = u.memory_limit == 0
                      ? 0
                      : 100.0 * static_cast<double>(u.memory) / static_cast<double>(u.memory_limit);
  std::string id = whole ? row.id : row.short_id();
  return {{"BlockIO", traffic_text(u.read) + " / " + traffic_text(u.written)},
          {"CPUPerc", fmt::format("{:.2f}%", cpu)},
          {"Container", id},
          {"ID", id},
          {"MemPerc", fmt::format("{:.2f}%", memory)},
          {"MemUsage", memory_text(u.memory) + " / " + memory_text(u.memory_limit)},
          {"Name", row.name},
          {"NetIO", traffic_text(u.received) + " / " + traffic_text(u.sent)},
          {"PIDs", std::to_string(u.processes)},
          {"Service", row.service}};
}

class Stats {
 public:
  Stats(const Globals& globals, const StatsFlags& flags)
      : flags_(flags), roots_(Roots::from_environment()), project_(project_name(globals)) {}

  // A CPU share needs two looks.
  std::vector<json::object> rows() {
    std::vector<json::object> out;
    std::map<std::string, Sample> samples;
    bool known = flags_.service.empty();
    for (const auto& view : scheduler::view_project(roots_, project_)) {
      known = known || view.row.service == flags_.service;
      if (!flags_.service.empty() && view.row.service != flags_.service) continue;
      auto usage = scheduler::usage_of(view.row);
      if (!usage && !flags_.all) continue;
      if (usage) samples[view.row.id] = {std::chrono::steady_clock::now(), *usage};
      auto now = samples.find(view.row.id), before = before_.find(view.row.id);
      out.push_back(row_of(view.row, now == samples.end() ? nullptr : &now->second,
                           before == before_.end() ? nullptr : &before->second, flags_.no_trunc));
    }
    if (!known) throw Error("no such service: " + flags_.service);
    before_ = std::move(samples);
    return out;
  }

 private:
  const StatsFlags& flags_;
  Roots roots_;
  std::string project_;
  std::map<std::string, Sample> before_;
};

std::string shown(const std::vector<json::object>& rows, const std::string& format) {
  if (format != "json") return format_rows(format == "table" ? kTable : format, rows);
  std::string out;
  for (const auto& row : rows) out += json::serialize(row) + "\n";
  return out;
}

int show_stats(const Globals& globals, const StatsFlags& flags) {
  std::signal(SIGINT, [](int) { std::_Exit(130); });
  Stats stats(globals, flags);
  stats.rows();
  bool terminal = ::isatty(STDOUT_FILENO) != 0;
  for (;;) {
    // Not a wait for something: the span that the shares are of.
    std::this_thread::sleep_for(std::chrono::milliseconds(flags.no_stream ? 250 : 1000));
    std::string text = shown(stats.rows(), flags.format);
    // From the top, and what is left of the last time goes: console_codes(4).
    if (!flags.no_stream && terminal) fmt::print("\x1b[H\x1b[J");
    fmt::print("{}", text);
    std::fflush(stdout);
    if (flags.no_stream) return 0;
  }
}

}  // namespace

void add_stats(CLI::App& app, Globals& globals, Run& run) {
  auto flags = std::make_shared<StatsFlags>();
  CLI::App* c = app.add_subcommand("stats", "What containers use: processors, memory, traffic");
  c->add_flag("-a,--all", flags->all, "Stopped ones, too");
  c->add_flag("--no-stream", flags->no_stream, "Once");
  c->add_flag("--no-trunc", flags->no_trunc, "Whole ids");
  c->add_option("--format", flags->format, "table, json, or a Go template");
  c->add_option("service", flags->service, "Only this one");
  c->callback([&, flags] { run = [&, flags] { return show_stats(globals, *flags); }; });
}

}  // namespace pcompose::cli
