#include <charconv>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/commands.h"
#include "engine/runtime/update.h"

namespace pcompose::engine::runtime {
namespace {

struct UpdateOptions {
  std::string id, resources;
  std::string memory, reservation, swap, kernel;  // with a unit
  std::optional<uint64_t> shares, period, burst, realtime_period;
  std::optional<int64_t> quota, realtime_runtime, pids, idle;
  std::optional<uint64_t> weight;
  std::string cpus, mems;
};

// "64m" as bytes, -1 for no limit.
std::optional<int64_t> bytes_of(const std::string& text, const char* option) {
  if (text.empty()) return std::nullopt;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  static constexpr std::pair<const char*, unsigned> kUnits[] = {
      {"", 0},    {"b", 0},  {"k", 10},  {"kb", 10}, {"m", 20},
      {"mb", 20}, {"g", 30}, {"gb", 30}, {"t", 40},  {"tb", 40}};
  for (char& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (auto [name, shift] : kUnits) {
    if (error == std::errc() && unit == name && number < (int64_t{1} << 62U >> shift))
      return number < 0 ? -1 : number * (int64_t{1} << shift);
  }
  throw Error(fmt::format("{}: \"{}\" is no number of bytes", option, text));
}

Resources resources_of(const UpdateOptions& o) {
  if (!o.resources.empty()) return read_resources(o.resources);
  Resources r;
  r.memory.limit = bytes_of(o.memory, "--memory");
  r.memory.reservation = bytes_of(o.reservation, "--memory-reservation");
  r.memory.swap = bytes_of(o.swap, "--memory-swap");
  r.cpu.shares = o.shares;
  r.cpu.period = o.period;
  r.cpu.quota = o.quota;
  r.cpu.burst = o.burst;
  r.cpu.realtime_period = o.realtime_period;
  r.cpu.realtime_runtime = o.realtime_runtime;
  r.cpu.idle = o.idle;
  r.cpu.cpus = o.cpus;
  r.cpu.mems = o.mems;
  r.pids = o.pids;
  r.block_io.weight = o.weight;
  return r;
}

}  // namespace

void add_update_command(CLI::App& app, Globals& g, Command& command) {
  auto o = std::make_shared<UpdateOptions>();
  CLI::App* c = app.add_subcommand("update", "Change the limits of a running container");
  c->add_option("-r,--resources", o->resources, "linux.resources as JSON; - is stdin");
  c->add_option("--memory", o->memory, "Bytes, with unit");
  c->add_option("--memory-reservation", o->reservation, "Bytes");
  c->add_option("--memory-swap", o->swap, "Memory and swap; -1: no limit");
  c->add_option("--kernel-memory,--kernel-memory-tcp", o->kernel,
                "Accepted: kernels have no such limit any more");
  c->add_option("--cpu-share,--cpu-shares", o->shares, "Weight");
  c->add_option("--cpu-period", o->period, "Microseconds");
  c->add_option("--cpu-quota", o->quota, "Microseconds");
  c->add_option("--cpu-burst", o->burst, "Microseconds");
  c->add_option("--cpu-rt-period", o->realtime_period, "Microseconds");
  c->add_option("--cpu-rt-runtime", o->realtime_runtime, "Microseconds");
  c->add_option("--cpu-idle", o->idle, "0 or 1");
  c->add_option("--cpuset-cpus", o->cpus, "Processors");
  c->add_option("--cpuset-mems", o->mems, "Memory nodes");
  c->add_option("--pids-limit", o->pids, "Processes; -1: no limit");
  c->add_option("--blkio-weight", o->weight, "10 to 1000");
  c->add_option("ID", o->id)->required();
  c->callback([&, o] {
    command = [&g, o] {
      update_container(g.root, o->id, resources_of(*o));
      return 0;
    };
  });
}

}  // namespace pcompose::engine::runtime
