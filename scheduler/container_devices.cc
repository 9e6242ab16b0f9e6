#include "scheduler/container_devices.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/error.h"
#include "scheduler/cdi.h"
#include "scheduler/container_rights.h"

namespace pcompose::scheduler {
namespace {

namespace fs = std::filesystem;

std::optional<engine::Device> device_at(const std::string& source, const std::string& target) {
  struct stat info{};
  if (::stat(source.c_str(), &info) != 0) throw Error::from_errno("look at " + source);
  if (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode)) return std::nullopt;
  engine::Device d;
  d.path = target;
  d.host_path = source;
  d.type = S_ISCHR(info.st_mode) ? 'c' : 'b';
  d.major = major(info.st_rdev);
  d.minor = minor(info.st_rdev);
  d.mode = info.st_mode & 07777;
  d.uid = info.st_uid;
  d.gid = info.st_gid;
  return d;
}

// What the container has of its own there is not taken from the host.
bool is_containers_own(const std::string& path) {
  static const std::set<std::string> kOwn = {
      "/dev/null",   "/dev/zero", "/dev/full",   "/dev/random", "/dev/urandom", "/dev/tty",
      "/dev/ptmx",   "/dev/pts",  "/dev/shm",    "/dev/mqueue", "/dev/fd",      "/dev/stdin",
      "/dev/stdout", "/dev/core", "/dev/stderr", "/dev/console"};
  return kOwn.contains(path);
}

void add_directory(const std::string& source, const std::string& target,
                   std::vector<engine::Device>& out) {
  for (const auto& entry : fs::directory_iterator(source)) {
    std::string path = entry.path().string();
    std::string inside = target + "/" + entry.path().filename().string();
    if (is_containers_own(path) || entry.is_symlink()) continue;
    if (entry.is_directory()) {
      add_directory(path, inside, out);
    } else if (auto device = device_at(path, inside)) {
      out.push_back(*device);
    }
  }
}

engine::DeviceRule rule_for(const engine::Device& device, std::string access) {
  return {true, device.type, device.major, device.minor, std::move(access)};
}

std::optional<uint32_t> number_or_any(std::string_view text, const Error& error) {
  if (text == "*") return std::nullopt;
  uint32_t value = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) throw Error(error);
  return value;
}

// "c 1:3 mr", "b *:* rwm", "a *:* rwm"
engine::DeviceRule parse_rule(const compose::Service& service, size_t index) {
  const std::string& text = service.device_cgroup_rules[index];
  std::string path = fmt::format("device_cgroup_rules[{}]", index);
  Error error("services." + service.name + "." + path + ": \"" + text + "\" is no device rule");
  error.at(service.origin(path)).hint("write TYPE MAJOR:MINOR ACCESS, as c 1:3 mr");
  size_t first = text.find(' '), last = text.rfind(' ');
  size_t colon = text.find(':');
  bool shaped = first == 1 && last > first && colon != std::string::npos && colon > first &&
                colon < last && std::string_view("abc").find(text[0]) != std::string_view::npos;
  if (!shaped) throw error;
  engine::DeviceRule rule;
  rule.allow = true;
  rule.type = text[0];
  rule.major = number_or_any(std::string_view(text).substr(first + 1, colon - first - 1), error);
  rule.minor = number_or_any(std::string_view(text).substr(colon + 1, last - colon - 1), error);
  rule.access = text.substr(last + 1);
  if (rule.access.empty() || rule.access.find_first_not_of("rwm") != std::string::npos) throw error;
  return rule;
}

std::string access_for(const compose::Service& service, const engine::Device& device) {
  for (const auto& written : service.devices) {
    bool same = device.path == written.target || device.path.starts_with(written.target + "/");
    if (same && !written.permissions.empty()) return written.permissions;
  }
  return "rwm";
}

}  // namespace

std::vector<engine::Device> devices_of(const compose::Service& service) {
  std::vector<engine::Device> out;
  if (service.privileged) add_directory("/dev", "/dev", out);
  for (const auto& written : service.devices) {
    if (is_cdi_name(written.source)) continue;  // cdi.h
    try {
      if (!written.source.starts_with('/')) {
        throw Error(written.source + " is neither a path nor a CDI device")
            .hint("write /dev/… or VENDOR/CLASS=NAME");
      }
      if (fs::is_directory(written.source)) {
        add_directory(written.source, written.target, out);
        continue;
      }
      auto device = device_at(written.source, written.target);
      if (!device) throw Error(written.source + " is no device");
      out.push_back(*device);
    } catch (Error& e) {
      throw e.add("services." + service.name + ".devices").at(written.position);
    }
  }
  return out;
}

std::vector<engine::DeviceRule> device_rules_of(const compose::Service& service,
                                                const std::vector<engine::Device>& devices) {
  std::vector<engine::DeviceRule> rules;
  if (service.privileged) return {{true, 'a', std::nullopt, std::nullopt, "rwm"}};
  for (const engine::Device& d : devices) rules.push_back(rule_for(d, access_for(service, d)));
  for (size_t i = 0; i < service.device_cgroup_rules.size(); ++i)
    rules.push_back(parse_rule(service, i));
  return rules;
}

}  // namespace pcompose::scheduler
