// mem_limit, cpus and their like as the resources of the OCI runtime spec.
#include <cmath>
#include <initializer_list>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "scheduler/container_rights.h"

namespace pcompose::scheduler {
namespace {

constexpr int64_t kPeriod = 100000;  // microseconds, the kernel's own

engine::BlockDeviceValue device_value(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0)
    throw Error::from_errno("blkio_config: look at the device " + path);
  engine::BlockDeviceValue out;
  out.major = major(info.st_rdev);
  out.minor = minor(info.st_rdev);
  return out;
}

std::vector<engine::BlockDeviceValue> rates(const std::vector<compose::DeviceRate>& list) {
  std::vector<engine::BlockDeviceValue> out;
  for (const auto& item : list) {
    out.push_back(device_value(item.path));
    out.back().rate = static_cast<uint64_t>(item.rate);
  }
  return out;
}

engine::BlockIo block_io(const compose::BlkioConfig& config) {
  engine::BlockIo out;
  if (config.weight > 0) out.weight = static_cast<uint64_t>(config.weight);
  for (const auto& item : config.weight_device) {
    out.weight_devices.push_back(device_value(item.path));
    out.weight_devices.back().weight = static_cast<uint64_t>(item.weight);
  }
  out.read_bytes = rates(config.device_read_bps);
  out.write_bytes = rates(config.device_write_bps);
  out.read_operations = rates(config.device_read_iops);
  out.write_operations = rates(config.device_write_iops);
  return out;
}

engine::MemoryResources memory(const compose::Service& s, const compose::Resources& deploy) {
  engine::MemoryResources out;
  if (int64_t limit = s.mem_limit != 0 ? s.mem_limit : deploy.limits.memory; limit != 0)
    out.limit = limit;
  int64_t reservation = s.mem_reservation != 0 ? s.mem_reservation : deploy.reservations.memory;
  if (reservation != 0) out.reservation = reservation;
  if (s.memswap_limit != 0) out.swap = s.memswap_limit;
  if (s.mem_swappiness) out.swappiness = static_cast<uint64_t>(*s.mem_swappiness);
  if (s.oom_kill_disable) out.disable_oom_killer = true;
  return out;
}

engine::CpuResources cpu(const compose::Service& s, const compose::Resources& deploy) {
  engine::CpuResources out;
  if (s.cpu_shares != 0) out.shares = static_cast<uint64_t>(s.cpu_shares);
  if (s.cpu_period != 0) out.period = static_cast<uint64_t>(s.cpu_period);
  if (s.cpu_quota != 0) out.quota = s.cpu_quota;
  if (s.cpu_rt_period != 0) out.realtime_period = static_cast<uint64_t>(s.cpu_rt_period);
  if (s.cpu_rt_runtime != 0) out.realtime_runtime = s.cpu_rt_runtime;
  double cpus = s.cpus > 0 ? s.cpus : deploy.limits.cpus;
  if (cpus > 0) {
    out.period = static_cast<uint64_t>(kPeriod);
    out.quota = std::llround(cpus * static_cast<double>(kPeriod));
  }
  out.cpus = s.cpuset;
  return out;
}

}  // namespace

engine::Resources resources_of(const compose::Service& service) {
  static const compose::Resources kNone;
  const compose::Resources& deploy = service.deploy ? service.deploy->resources : kNone;
  engine::Resources out;
  out.memory = memory(service, deploy);
  out.cpu = cpu(service, deploy);
  if (int64_t pids = service.pids_limit != 0 ? service.pids_limit : deploy.limits.pids; pids != 0)
    out.pids = pids;
  if (service.blkio_config) out.block_io = block_io(*service.blkio_config);
  return out;
}

bool limits_anything(const engine::Resources& r) {
  const auto& io = r.block_io;
  return r.memory.limit || r.memory.reservation || r.memory.swap || r.memory.swappiness ||
         r.memory.disable_oom_killer || r.cpu.shares || r.cpu.period || r.cpu.quota ||
         r.cpu.realtime_period || r.cpu.realtime_runtime || !r.cpu.cpus.empty() || r.pids ||
         io.weight || !io.weight_devices.empty() || !io.read_bytes.empty() ||
         !io.write_bytes.empty() || !io.read_operations.empty() || !io.write_operations.empty();
}

namespace {

// The first of them that the file writes.
std::string written(const compose::Service& service, std::initializer_list<const char*> places) {
  for (const char* place : places) {
    if (service.origins.contains(place)) return place;
  }
  return *places.begin();
}

}  // namespace

std::vector<LimitPart> parts_of(const compose::Service& service, const engine::Resources& all) {
  LimitPart memory, cpu, pids, io;
  memory.resources.memory = all.memory;
  memory.place = written(service, {"mem_limit", "deploy.resources.limits.memory", "mem_reservation",
                                   "deploy.resources.reservations.memory", "memswap_limit",
                                   "mem_swappiness", "oom_kill_disable"});
  cpu.resources.cpu = all.cpu;
  cpu.place = written(service, {"cpus", "deploy.resources.limits.cpus", "cpu_quota", "cpu_shares",
                                "cpu_period", "cpuset", "cpu_rt_runtime", "cpu_rt_period"});
  pids.resources.pids = all.pids;
  pids.place = written(service, {"pids_limit", "deploy.resources.limits.pids"});
  io.resources.block_io = all.block_io;
  io.place = "blkio_config";
  std::vector<LimitPart> out;
  for (LimitPart* part : {&memory, &cpu, &pids, &io}) {
    if (limits_anything(part->resources)) out.push_back(std::move(*part));
  }
  return out;
}

}  // namespace pcompose::scheduler
