#include <fmt/format.h>

#include "engine/runtime/config.h"

namespace pcompose::engine::runtime {
namespace {

std::optional<uint32_t> device_number(const JsonNode& node, std::string_view field) {
  auto number = node.number<int64_t>(field);
  if (!number || *number == -1) return std::nullopt;  // any
  if (*number < 0 || *number > UINT32_MAX) node.fail_at(field, "is no device number");
  return static_cast<uint32_t>(*number);
}

DeviceRule parse_rule(const JsonNode& node) {
  DeviceRule rule;
  rule.allow = node.boolean("allow", false);
  std::string type = node.text("type", "a");
  if (type != "a" && type != "b" && type != "c")
    node.fail_at("type", fmt::format("\"{}\" is none of a, b, c", type));
  rule.type = type[0];
  rule.major = device_number(node, "major");
  rule.minor = device_number(node, "minor");
  rule.access = node.text("access", "rwm");
  if (rule.access.empty()) rule.access = "rwm";
  if (rule.access.find_first_not_of("rwm") != std::string::npos)
    node.fail_at("access", "knows r, w and m only");
  return rule;
}

MemoryResources parse_memory(const JsonNode& node) {
  MemoryResources m;
  m.limit = node.number<int64_t>("limit");
  m.reservation = node.number<int64_t>("reservation");
  m.swap = node.number<int64_t>("swap");
  m.kernel_tcp = node.number<int64_t>("kernelTCP");
  m.swappiness = node.number<uint64_t>("swappiness");
  if (m.swappiness && *m.swappiness > 100) node.fail_at("swappiness", "lies above 100");
  if (node.has("disableOOMKiller")) m.disable_oom_killer = node.boolean("disableOOMKiller", false);
  if (node.has("checkBeforeUpdate"))
    m.check_before_update = node.boolean("checkBeforeUpdate", false);
  return m;
}

CpuResources parse_cpu(const JsonNode& node) {
  CpuResources c;
  c.shares = node.number<uint64_t>("shares");
  c.quota = node.number<int64_t>("quota");
  c.burst = node.number<uint64_t>("burst");
  c.period = node.number<uint64_t>("period");
  c.realtime_runtime = node.number<int64_t>("realtimeRuntime");
  c.realtime_period = node.number<uint64_t>("realtimePeriod");
  c.cpus = node.text("cpus");
  c.mems = node.text("mems");
  c.idle = node.number<int64_t>("idle");
  return c;
}

std::vector<BlockDeviceValue> parse_block_values(const JsonNode& node, std::string_view field) {
  std::vector<BlockDeviceValue> out;
  for (const JsonNode& item : node.items(field)) {
    BlockDeviceValue value;
    value.major = item.needed_number<uint32_t>("major");
    value.minor = item.needed_number<uint32_t>("minor");
    value.weight = item.number<uint16_t>("weight");
    value.leaf_weight = item.number<uint16_t>("leafWeight");
    value.rate = item.number<uint64_t>("rate");
    out.push_back(value);
  }
  return out;
}

BlockIo parse_block_io(const JsonNode& node) {
  BlockIo b;
  b.weight = node.number<uint16_t>("weight");
  b.leaf_weight = node.number<uint16_t>("leafWeight");
  b.weight_devices = parse_block_values(node, "weightDevice");
  b.read_bytes = parse_block_values(node, "throttleReadBpsDevice");
  b.write_bytes = parse_block_values(node, "throttleWriteBpsDevice");
  b.read_operations = parse_block_values(node, "throttleReadIOPSDevice");
  b.write_operations = parse_block_values(node, "throttleWriteIOPSDevice");
  return b;
}

// A name of a file in a cgroup directory, and of nothing else.
bool is_file_name(const std::string& name) {
  return !name.empty() && name.find('/') == std::string::npos && name.find('.') != 0;
}

void parse_huge_pages(const JsonNode& node, Resources& r) {
  for (const JsonNode& item : node.items("hugepageLimits")) {
    std::string size = item.needed_text("pageSize");
    if (!is_file_name(size)) item.fail_at("pageSize", "is no size like 2MB");
    r.huge_pages.emplace_back(size, item.needed_number<uint64_t>("limit"));
  }
}

void parse_network(const JsonNode& node, Resources& r) {
  r.network_class = node.number<uint32_t>("classID");
  for (const JsonNode& item : node.items("priorities"))
    r.network_priorities.emplace_back(item.needed_text("name"),
                                      item.needed_number<uint32_t>("priority"));
}

// cgroup-v2.rst of the kernel, "RDMA Interface Files".
void parse_rdma(const JsonNode& node, Resources& r) {
  for (const auto& [device, limits] : node.members()) {
    std::string text;
    if (auto handles = limits.number<uint32_t>("hcaHandles"))
      text += fmt::format(" hca_handle={}", *handles);
    if (auto objects = limits.number<uint32_t>("hcaObjects"))
      text += fmt::format(" hca_object={}", *objects);
    if (text.empty()) limits.fail("says neither hcaHandles nor hcaObjects");
    r.rdma.emplace_back(device, text.substr(1));
  }
}

}  // namespace

Resources parse_resources(const JsonNode& node) {
  Resources r;
  for (const JsonNode& rule : node.items("devices")) r.devices.push_back(parse_rule(rule));
  if (auto memory = node.get("memory")) r.memory = parse_memory(*memory);
  if (auto cpu = node.get("cpu")) r.cpu = parse_cpu(*cpu);
  if (auto pids = node.get("pids")) r.pids = pids->number<int64_t>("limit");
  if (auto block_io = node.get("blockIO")) r.block_io = parse_block_io(*block_io);
  parse_huge_pages(node, r);
  if (auto network = node.get("network")) parse_network(*network, r);
  if (auto unified = node.get("unified")) {
    for (const auto& [file, value] : unified->members()) {
      if (!is_file_name(file)) value.fail("is no file of a cgroup");
      r.unified.emplace_back(file, value.text());
    }
  }
  if (auto rdma = node.get("rdma")) parse_rdma(*rdma, r);
  return r;
}

}  // namespace pcompose::engine::runtime
