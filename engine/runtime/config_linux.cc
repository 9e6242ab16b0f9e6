#include <algorithm>
#include <net/if.h>
#include <sched.h>
#include <set>
#include <span>
#include <sys/mount.h>
#include <sys/personality.h>

#include <fmt/format.h>

#include "engine/launch/kernel_abi.h"
#include "engine/runtime/config.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

void parse_namespaces(const JsonNode& node, Linux& linux) {
  uint64_t seen = 0;
  for (const JsonNode& item : node.items("namespaces")) {
    std::string type = item.needed_text("type");
    auto flag = namespace_flag(type);
    if (!flag) item.fail_at("type", fmt::format("\"{}\" is no namespace", type));
    if ((seen & *flag) != 0) item.fail_at("type", fmt::format("{} stands there twice", type));
    seen |= *flag;
    std::string path = item.text("path");
    if (path.empty()) {
      linux.new_namespaces |= *flag;
    } else {
      linux.namespace_paths.push_back({*flag, path});
    }
  }
}

Device parse_device(const JsonNode& node) {
  Device d;
  d.path = node.needed_text("path");
  if (!d.path.starts_with('/')) node.fail_at("path", "must be absolute");
  while (d.path.size() > 1 && d.path.ends_with('/')) d.path.pop_back();
  std::string type = node.needed_text("type");
  if (type != "c" && type != "b" && type != "u" && type != "p")
    node.fail_at("type", fmt::format("\"{}\" is none of c, b, u, p", type));
  d.type = type == "u" ? 'c' : type[0];
  if (d.type != 'p') {
    d.major = node.number<uint32_t>("major").value_or(0);
    d.minor = node.number<uint32_t>("minor").value_or(0);
  }
  d.mode = node.number<uint32_t>("fileMode").value_or(0666) & 07777;
  d.uid = node.number<uint32_t>("uid").value_or(0);
  d.gid = node.number<uint32_t>("gid").value_or(0);
  return d;
}

uint64_t parse_propagation(const JsonNode& node) {
  std::string name = node.text("rootfsPropagation");
  if (name.empty()) return 0;
  const MountOption* option = mount_option(name);
  if (option == nullptr || option->kind != MountOption::Kind::propagation)
    node.fail_at("rootfsPropagation", fmt::format("\"{}\" is no propagation", name));
  return option->bits | (option->all ? MS_REC : 0U);
}

uint64_t parse_personality(const JsonNode& node) {
  std::string domain = node.needed_text("domain");
  if (!node.items("flags").empty()) node.fail_at("flags", "none are defined");
  if (domain == "LINUX") return PER_LINUX;
  if (domain == "LINUX32") return PER_LINUX32;
  node.fail_at("domain", fmt::format("\"{}\" is neither LINUX nor LINUX32", domain));
}

std::vector<TimeOffset> parse_time_offsets(const JsonNode& node) {
  std::vector<TimeOffset> out;
  for (const auto& [clock, value] : node.members()) {
    if (clock != "monotonic" && clock != "boottime") value.fail("is no clock of a time namespace");
    out.push_back({clock, value.number<int64_t>("secs").value_or(0),
                   value.number<uint32_t>("nanosecs").value_or(0)});
  }
  return out;
}

void parse_sysctl(const JsonNode& node, Linux& linux) {
  for (const auto& [name, value] : node.members()) {
    std::string path = name;
    // net.ipv4.conf.eth0/1.x: where dots stand for slashes, a slash stands for a dot (sysctl(8)).
    if (path.find('/') == std::string::npos || path.find('.') < path.find('/')) {
      for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    }
    if (path.find("..") != std::string::npos) value.fail("is no sysctl");
    if (path == "kernel/hostname") value.fail("is what `hostname` says");
    linux.sysctl.emplace_back(path, value.text());
  }
}

int constant(const JsonNode& node, std::string_view field, const std::string& name,
             std::span<const NamedNumber> known) {
  for (const auto& [text, value] : known) {
    if (name == text) return value;
  }
  node.fail_at(field, fmt::format("\"{}\" is not known", name));
}

MemoryPolicy parse_memory_policy(const JsonNode& node) {
  MemoryPolicy policy;
  policy.mode = constant(node, "mode", node.needed_text("mode"), memory_modes());
  for (const std::string& flag : node.texts("flags"))
    policy.mode |= constant(node, "flags", flag, memory_flags());
  auto bits = processor_bits(node.text("nodes"));
  if (!bits) node.fail_at("nodes", "is no list of nodes like 0-3,5");
  policy.nodes = *bits;
  // The kernel reads whole longs.
  policy.nodes.resize((policy.nodes.size() + 7) / 8 * 8);
  return policy;
}

// What dev_valid_name() of the kernel takes.
bool is_device_name(std::string_view name) {
  return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
         name.find_first_of("/: \f\n\r\t\v") == std::string_view::npos;
}

void parse_net_devices(const JsonNode& node, Linux& linux) {
  std::set<std::string> names;
  for (const auto& [host_name, value] : node.members()) {
    if (!is_device_name(host_name) || host_name.find('%') != std::string::npos)
      value.fail("is no name of a network device");
    std::string name = value.text("name", host_name);
    size_t percent = name.find('%');
    bool numbered = percent != std::string::npos && name.substr(percent) == "%d";
    if (!is_device_name(name) || (percent != std::string::npos && !numbered))
      value.fail_at("name", fmt::format("\"{}\" is no name of a network device", name));
    if (!numbered && !names.insert(name).second)
      value.fail_at("name", fmt::format("{} stands there twice", name));
    linux.net_devices.push_back({host_name, name});
  }
  bool own = (linux.new_namespaces & CLONE_NEWNET) != 0 ||
             std::any_of(linux.namespace_paths.begin(), linux.namespace_paths.end(),
                         [](const NamespacePath& n) { return n.type == CLONE_NEWNET; });
  if (!linux.net_devices.empty() && !own) node.fail("want a network namespace");
}

void refuse(const JsonNode& node, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    auto value = node.get(field);
    if (value && !value->members().empty()) value->fail("is not supported");
  }
}

void parse_user_namespace(const JsonNode& node, Linux& linux) {
  linux.uid_mappings = parse_id_mappings(node, "uidMappings");
  linux.gid_mappings = parse_id_mappings(node, "gidMappings");
  bool maps = !linux.uid_mappings.empty() || !linux.gid_mappings.empty();
  auto by_path = [](const NamespacePath& n) { return n.type == CLONE_NEWUSER; };
  bool joins = std::any_of(linux.namespace_paths.begin(), linux.namespace_paths.end(), by_path);
  bool makes = (linux.new_namespaces & CLONE_NEWUSER) != 0;
  if (maps && !makes && !joins) node.fail_at("uidMappings", "want a user namespace");
  if (makes && (linux.uid_mappings.empty() || linux.gid_mappings.empty()))
    node.fail_at("uidMappings", "a new user namespace wants uidMappings and gidMappings");
}

}  // namespace

Linux parse_linux(const JsonNode& node) {
  Linux linux;
  parse_namespaces(node, linux);
  parse_user_namespace(node, linux);
  if (auto offsets = node.get("timeOffsets")) {
    linux.time_offsets = parse_time_offsets(*offsets);
    if (!linux.time_offsets.empty() && (linux.new_namespaces & launch::kCloneNewTime) == 0)
      offsets->fail("want a new time namespace");
  }
  for (const JsonNode& device : node.items("devices"))
    linux.devices.push_back(parse_device(device));
  linux.cgroups_path = node.text("cgroupsPath");
  if (auto resources = node.get("resources")) linux.resources = parse_resources(*resources);
  if (auto seccomp = node.get("seccomp")) linux.seccomp_profile = parse_seccomp(*seccomp);
  linux.rootfs_propagation = parse_propagation(node);
  linux.masked_paths = node.texts("maskedPaths");
  linux.readonly_paths = node.texts("readonlyPaths");
  linux.mount_label = node.text("mountLabel");
  if (auto sysctl = node.get("sysctl")) parse_sysctl(*sysctl, linux);
  if (auto personality = node.get("personality"))
    linux.personality = parse_personality(*personality);
  if (auto policy = node.get("memoryPolicy")) linux.memory_policy = parse_memory_policy(*policy);
  if (auto devices = node.get("netDevices")) parse_net_devices(*devices, linux);
  refuse(node, {"intelRdt"});
  return linux;
}

}  // namespace pcompose::engine::runtime
