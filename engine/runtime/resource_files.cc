#include "engine/runtime/resource_files.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::engine::runtime {
namespace {

// Collects writes of one controller.
class Writes {
 public:
  Writes(std::vector<ResourceWrite>& out, std::string controller, std::string place)
      : out_(out), controller_(std::move(controller)), place_("linux.resources." + place) {}

  template <class T>
  void add(const char* file, const std::optional<T>& value, const char* field) {
    if (value) put(file, fmt::format("{}", *value), field);
  }
  void add(const char* file, const std::string& value, const char* field) {
    if (!value.empty()) put(file, value, field);
  }
  void put(std::string file, std::string value, const std::string& field) {
    out_.push_back({controller_, std::move(file), std::move(value),
                    field.empty() ? place_ : place_ + "." + field});
  }

 private:
  std::vector<ResourceWrite>& out_;
  std::string controller_, place_;
};

std::string limit_text(int64_t value) { return value < 0 ? "max" : fmt::format("{}", value); }

void add_rates(Writes& writes, const std::vector<BlockDeviceValue>& rates, const char* file,
               const char* prefix, const char* field) {
  for (const BlockDeviceValue& v : rates) {
    if (v.rate)
      writes.put(file, fmt::format("{}:{} {}{}", v.major, v.minor, prefix, *v.rate), field);
  }
}

void add_memory_v1(std::vector<ResourceWrite>& out, const MemoryResources& m) {
  Writes w(out, "memory", "memory");
  // The soft limit and the limit before the sum with swap, which may not lie below it.
  w.add("memory.limit_in_bytes", m.limit, "limit");
  w.add("memory.memsw.limit_in_bytes", m.swap, "swap");
  w.add("memory.soft_limit_in_bytes", m.reservation, "reservation");
  w.add("memory.kmem.tcp.limit_in_bytes", m.kernel_tcp, "kernelTCP");
  w.add("memory.swappiness", m.swappiness, "swappiness");
  if (m.disable_oom_killer)
    w.put("memory.oom_control", *m.disable_oom_killer ? "1" : "0", "disableOOMKiller");
}

void add_cpu_v1(std::vector<ResourceWrite>& out, const CpuResources& c) {
  Writes w(out, "cpu", "cpu");
  w.add("cpu.shares", c.shares, "shares");
  // The period first: a quota is checked against it.
  w.add("cpu.cfs_period_us", c.period, "period");
  w.add("cpu.cfs_quota_us", c.quota, "quota");
  w.add("cpu.cfs_burst_us", c.burst, "burst");
  w.add("cpu.rt_period_us", c.realtime_period, "realtimePeriod");
  w.add("cpu.rt_runtime_us", c.realtime_runtime, "realtimeRuntime");
  w.add("cpu.idle", c.idle, "idle");
  Writes set(out, "cpuset", "cpu");
  set.add("cpuset.cpus", c.cpus, "cpus");
  set.add("cpuset.mems", c.mems, "mems");
}

void add_block_io_v1(std::vector<ResourceWrite>& out, const BlockIo& b) {
  Writes w(out, "blkio", "blockIO");
  w.add("blkio.weight|blkio.bfq.weight", b.weight, "weight");
  w.add("blkio.leaf_weight", b.leaf_weight, "leafWeight");
  for (const BlockDeviceValue& v : b.weight_devices) {
    auto text = [&](uint64_t weight) { return fmt::format("{}:{} {}", v.major, v.minor, weight); };
    if (v.weight)
      w.put("blkio.weight_device|blkio.bfq.weight_device", text(*v.weight), "weightDevice");
    if (v.leaf_weight) w.put("blkio.leaf_weight_device", text(*v.leaf_weight), "weightDevice");
  }
  add_rates(w, b.read_bytes, "blkio.throttle.read_bps_device", "", "throttleReadBpsDevice");
  add_rates(w, b.write_bytes, "blkio.throttle.write_bps_device", "", "throttleWriteBpsDevice");
  add_rates(w, b.read_operations, "blkio.throttle.read_iops_device", "", "throttleReadIOPSDevice");
  add_rates(w, b.write_operations, "blkio.throttle.write_iops_device", "",
            "throttleWriteIOPSDevice");
}

void add_memory_v2(std::vector<ResourceWrite>& out, const MemoryResources& m) {
  Writes w(out, "memory", "memory");
  if (m.limit) w.put("memory.max", limit_text(*m.limit), "limit");
  if (m.reservation) w.put("memory.low", limit_text(*m.reservation), "reservation");
  if (!m.swap) return;
  // v1 counts memory and swap together, v2 swap alone.
  if (*m.swap < 0) return w.put("memory.swap.max", "max", "swap");
  if (!m.limit) throw Error("linux.resources.memory.swap: wants memory.limit on cgroup v2");
  if (*m.swap < *m.limit) throw Error("linux.resources.memory.swap: lies below memory.limit");
  w.put("memory.swap.max", fmt::format("{}", *m.swap - std::max<int64_t>(*m.limit, 0)), "swap");
}

void add_cpu_v2(std::vector<ResourceWrite>& out, const CpuResources& c) {
  if (c.realtime_runtime.value_or(0) != 0)
    throw Error("linux.resources.cpu.realtimeRuntime: cgroup v2 has no such limit");
  Writes w(out, "cpu", "cpu");
  if (c.shares && *c.shares != 0)
    w.put("cpu.weight", fmt::format("{}", weight_of_shares(*c.shares)), "shares");
  w.add("cpu.idle", c.idle, "idle");
  if (c.quota || c.period) {
    std::string quota = c.quota && *c.quota > 0 ? fmt::format("{}", *c.quota) : "max";
    w.put("cpu.max", fmt::format("{} {}", quota, c.period.value_or(100000)), "quota");
  }
  w.add("cpu.max.burst", c.burst, "burst");
  Writes set(out, "cpuset", "cpu");
  set.add("cpuset.cpus", c.cpus, "cpus");
  set.add("cpuset.mems", c.mems, "mems");
}

void add_block_io_v2(std::vector<ResourceWrite>& out, const BlockIo& b) {
  Writes w(out, "io", "blockIO");
  // bfq takes the value as it is, io.cost has its own range.
  if (b.weight)
    w.put("io.bfq.weight|io.weight", fmt::format("{}", io_weight_of(*b.weight)), "weight");
  for (const BlockDeviceValue& v : b.weight_devices) {
    if (!v.weight) continue;
    std::string text = fmt::format("{}:{} {}", v.major, v.minor, io_weight_of(*v.weight));
    w.put("io.bfq.weight|io.weight", text, "weightDevice");
  }
  add_rates(w, b.read_bytes, "io.max", "rbps=", "throttleReadBpsDevice");
  add_rates(w, b.write_bytes, "io.max", "wbps=", "throttleWriteBpsDevice");
  add_rates(w, b.read_operations, "io.max", "riops=", "throttleReadIOPSDevice");
  add_rates(w, b.write_operations, "io.max", "wiops=", "throttleWriteIOPSDevice");
}

void add_network_v1(std::vector<ResourceWrite>& out, const Resources& r) {
  Writes(out, "net_cls", "network").add("net_cls.classid", r.network_class, "classID");
  Writes priorities(out, "net_prio", "network");
  for (const auto& [name, priority] : r.network_priorities)
    priorities.put("net_prio.ifpriomap", fmt::format("{} {}", name, priority), "priorities");
}

// The same file on v1 and v2.
void add_rdma(std::vector<ResourceWrite>& out, const Resources& r) {
  for (const auto& [device, limits] : r.rdma)
    Writes(out, "rdma", "rdma").put("rdma.max", device + " " + limits, device);
}

}  // namespace

uint64_t weight_of_shares(uint64_t shares) {
  shares = std::clamp<uint64_t>(shares, 2, 262144);
  return 1 + (shares - 2) * 9999 / 262142;
}

uint64_t io_weight_of(uint64_t blkio_weight) {
  blkio_weight = std::clamp<uint64_t>(blkio_weight, 10, 1000);
  return 1 + (blkio_weight - 10) * 9999 / 990;
}

std::vector<ResourceWrite> resource_writes_v1(const Resources& r) {
  if (!r.unified.empty()) throw Error("linux.resources.unified: wants cgroup v2");
  std::vector<ResourceWrite> out;
  add_memory_v1(out, r.memory);
  add_cpu_v1(out, r.cpu);
  if (r.pids) {
    // 0 is "not set" for every caller there is: nothing could run under it.
    Writes(out, "pids", "pids").put("pids.max", limit_text(*r.pids == 0 ? -1 : *r.pids), "limit");
  }
  add_block_io_v1(out, r.block_io);
  for (const auto& [size, bytes] : r.huge_pages) {
    Writes(out, "hugetlb", "hugepageLimits")
        .put(fmt::format("hugetlb.{}.limit_in_bytes", size), fmt::format("{}", bytes), "");
  }
  add_network_v1(out, r);
  add_rdma(out, r);
  return out;
}

std::vector<ResourceWrite> resource_writes_v2(const Resources& r) {
  std::vector<ResourceWrite> out;
  add_memory_v2(out, r.memory);
  add_cpu_v2(out, r.cpu);
  if (r.pids)
    Writes(out, "pids", "pids").put("pids.max", limit_text(*r.pids == 0 ? -1 : *r.pids), "limit");
  add_block_io_v2(out, r.block_io);
  for (const auto& [size, bytes] : r.huge_pages) {
    Writes(out, "hugetlb", "hugepageLimits")
        .put(fmt::format("hugetlb.{}.max", size), fmt::format("{}", bytes), "");
  }
  add_rdma(out, r);
  if (r.network_class.value_or(0) != 0 || !r.network_priorities.empty())
    throw Error("linux.resources.network: cgroup v2 has no such control");
  for (const auto& [file, value] : r.unified) {
    Writes(out, file.substr(0, file.find('.')), "unified").put(file, value, file);
  }
  return out;
}

}  // namespace pcompose::engine::runtime
