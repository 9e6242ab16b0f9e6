#include "engine/cgroup.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <fcntl.h>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "engine/runtime/device_rules.h"
#include "engine/unit.h"

namespace pcompose::engine {
namespace {

DeviceRule allowed(char type, std::optional<uint32_t> major, std::optional<uint32_t> minor,
                   const char* access = "rwm") {
  return {.allow = true, .type = type, .major = major, .minor = minor, .access = access};
}

// What every container may do, as docker has it, and what this one may besides.
std::vector<DeviceRule> rules_with(const std::vector<DeviceRule>& more) {
  constexpr auto any = std::nullopt;
  std::vector<DeviceRule> rules = {
      allowed('c', any, any, "m"), allowed('b', any, any, "m"),  // made (CAP_MKNOD), not opened …
      allowed('c', 1, 3),          allowed('c', 1, 5),           // … but for null, zero
      allowed('c', 1, 7),          allowed('c', 1, 8),           // full, random
      allowed('c', 1, 9),          allowed('c', 5, 0),           // urandom, tty
      allowed('c', 5, 2),          allowed('c', 136, any),       // ptmx, pts
  };
  rules.insert(rules.end(), more.begin(), more.end());
  return rules;
}

bool allows_everything(const std::vector<DeviceRule>& rules) {
  return std::ranges::any_of(rules, [](const DeviceRule& rule) {
    return rule.allow && rule.type == 'a' && !rule.major && !rule.minor;
  });
}

void write_control(const std::string& path, const char* value) {
  Fd fd = open_file(path, O_WRONLY);
  if (::write(fd.get(), value, std::char_traits<char>::length(value)) < 0)
    throw Error::from_errno("write " + path);
}

std::string read_or_empty(const std::string& path) {
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";
  }
}

bool controls(const runtime::Hierarchy& h, const char* controller) {
  return std::ranges::find(h.controllers, controller) != h.controllers.end();
}

}  // namespace

std::vector<runtime::Hierarchy> joined_hierarchies(const std::string& mountinfo) {
  static const std::set<std::string> kWanted = {"cpu",     "cpuacct", "memory", "pids",
                                                "devices", "blkio",   "freezer"};
  auto out = runtime::parse_hierarchies(mountinfo);
  std::erase_if(out, [](const runtime::Hierarchy& h) {
    return !h.v2 && std::ranges::none_of(h.controllers,
                                         [](const auto& name) { return kWanted.contains(name); });
  });
  return out;
}

Cgroups::Cgroups(const Roots& roots, const std::string& project)
    : tag_(roots.tag), rootless_(roots.rootless) {
  std::string mounts = read_file("/proc/self/mountinfo"), own = read_file("/proc/self/cgroup");
  unit_ = group_of_unit(own, unit_name(roots, project));
  hierarchies_ = joined_hierarchies(mounts);
  all_ = runtime::parse_hierarchies(mounts);
  for (auto* hierarchies : {&hierarchies_, &all_}) {
    for (auto& h : *hierarchies) {
      if (h.v2) h.mount += unit_;
    }
    if (rootless_) keep_delegated(*hierarchies, own);
  }
  device_rules_ = find_device_rules();
}

DeviceRules Cgroups::find_device_rules() const {
  auto is_v1 = [](const auto& h) { return controls(h, "devices"); };
  if (std::ranges::any_of(hierarchies_, is_v1)) return DeviceRules::files;
  bool v2 = std::ranges::any_of(hierarchies_, &runtime::Hierarchy::v2);
  // A user namespace keeps an ordinary user from devices, and from loading programs.
  bool loads = v2 && !rootless_ && runtime::device_programs_load();
  return loads ? DeviceRules::program : DeviceRules::none;
}

void Cgroups::keep_delegated(std::vector<runtime::Hierarchy>& hierarchies,
                             const std::string& own_groups) const {
  std::erase_if(hierarchies, [&](runtime::Hierarchy& h) {
    bool in_unit = h.v2 && !unit_.empty();
    std::string own = in_unit ? "" : runtime::path_in_hierarchy(own_groups, h);
    h.mount += own;
    return (own.empty() && !in_unit) || ::access((h.mount + "/cgroup.procs").c_str(), W_OK) != 0;
  });
}

void Cgroups::place(const std::string& container, const std::string& parent) {
  std::string path;
  std::istringstream names(parent);
  for (std::string name; std::getline(names, name, '/');) {
    if (name == "..") throw Error("the cgroup \"" + parent + "\" leads upwards");
    if (!name.empty() && name != ".") path += "/" + name;
  }
  if (path.empty()) throw Error("\"" + parent + "\" names no cgroup");
  if (rootless_) {
    throw Error("an ordinary user's containers cannot be put into the cgroup " + path)
        .hint("leave it out: they get a group that belongs to the user, where there is one");
  }
  parents_[container] = std::move(path);
}

std::string Cgroups::root_of(const runtime::Hierarchy& h) const {
  return h.v2 ? h.mount.substr(0, h.mount.size() - unit_.size()) : h.mount;
}

std::string Cgroups::parent_directory(const runtime::Hierarchy& h,
                                      const std::string& container) const {
  auto chosen = parents_.find(container);
  return chosen == parents_.end() ? h.mount : root_of(h) + chosen->second;
}

std::string Cgroups::directory(const runtime::Hierarchy& h, const std::string& container) const {
  return parent_directory(h, container) + below_parent(container);
}

void Cgroups::make_parent(const runtime::Hierarchy& h, const std::string& container) const {
  std::string path = parent_directory(h, container) + "/" + tag_;
  size_t ours = parents_.contains(container) ? root_of(h).size() : h.mount.size();
  for (size_t end = ours; end != std::string::npos;) {
    // What a container uses is counted only where it has the controller.
    if (h.v2) runtime::offer_controllers(path.substr(0, end));
    end = path.find('/', end + 1);
    std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
      throw Error::from_errno("make the cgroup " + part);
  }
  if (h.v2) runtime::offer_controllers(path);
}

// cgroup-v1/devices.rst: a group may have what its parent has, so each container gets its own.
void Cgroups::write_device_rules(const std::string& path, const std::vector<DeviceRule>& more) {
  if (allows_everything(more)) return;
  write_control(path + "/devices.deny", "a");
  Fd allow = open_file(path + "/devices.allow", O_WRONLY);
  for (const DeviceRule& rule : rules_with(more)) {
    std::string text = runtime::rule_text(rule);
    if (::write(allow.get(), text.data(), text.size()) < 0)
      throw Error::from_errno("allow the devices " + text);
  }
}

// The program goes with the group.
void Cgroups::attach_device_rules(const std::string& path, const std::vector<DeviceRule>& more) {
  if (allows_everything(more)) return;
  Fd group = open_file(path, O_RDONLY | O_DIRECTORY);
  runtime::attach_device_program(group.get(), rules_with(more));
}

std::vector<std::string> Cgroups::make(const std::string& container,
                                       const std::vector<DeviceRule>& devices) {
  for (const auto& h : hierarchies_) {
    std::string path = directory(h, container);
    // The parent may go with another project's last container between two attempts.
    for (int attempt = 0; ::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST; ++attempt) {
      if (errno != ENOENT || attempt > 10) throw Error::from_errno("make the cgroup " + path);
      make_parent(h, container);
    }
    if (controls(h, "devices")) write_device_rules(path, devices);
    if (h.v2 && device_rules_ == DeviceRules::program) attach_device_rules(path, devices);
  }
  return procs(container);
}

std::vector<std::string> Cgroups::limit(const std::string& container, const Resources& resources) {
  if (rootless_ && unit_.empty()) {
    throw Error("no controller of the control groups belongs to this user")
        .hint(
            "run as root, log in where systemd manages the session (with dbus-user-session), take "
            "the limits away, or go on without: --limits=warn");
  }
  auto hierarchies = all_;
  for (auto& h : hierarchies) h.mount = root_of(h);
  bool chosen = parents_.contains(container);
  auto group = chosen ? runtime::ControlGroup::make_in(hierarchies, path(container))
                      : runtime::ControlGroup::make_in(all_, below_parent(container));
  try {
    group.apply(resources);
  } catch (Error& e) {
    if (!rootless_) throw;
    throw e.hint(
        "systemd gives its users cpu, memory and pids; Delegate=cpu cpuset io memory pids in "
        "/etc/systemd/system/user@.service.d/delegate.conf gives all; or --limits=warn");
  }
  std::vector<std::string> out, known = procs(container);
  for (std::string& file : group.procs_to_join()) {
    if (std::ranges::find(known, file) == known.end()) out.push_back(std::move(file));
  }
  return out;
}

std::vector<std::string> Cgroups::procs(const std::string& container) const {
  std::vector<std::string> out;
  for (const auto& h : hierarchies_) out.push_back(directory(h, container) + "/cgroup.procs");
  return out;
}

void Cgroups::remove(const std::string& container) {
  // Limits may have needed hierarchies that others do without.
  for (const auto& h : all_) {
    std::string root = parent_directory(h, container) + "/" + tag_;
    ::rmdir((root + "/" + container).c_str());
    ::rmdir(root.c_str());
  }
}

std::vector<pid_t> Cgroups::processes(const std::string& container) const {
  std::vector<pid_t> out;
  if (hierarchies_.empty()) return out;
  std::istringstream pids(
      read_or_empty(directory(hierarchies_.front(), container) + "/cgroup.procs"));
  for (pid_t pid = 0; pids >> pid;) out.push_back(pid);
  return out;
}

void Cgroups::kill_all(const std::string& container) {
  for (const auto& h : hierarchies_) {
    std::string path = directory(h, container);
    if (h.v2) {
      Fd fd(::open((path + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
      if (fd && ::write(fd.get(), "1", 1) == 1) return;
    }
  }
  for (pid_t pid : processes(container)) {
    try {
      Pidfd::open(pid).send_signal(SIGKILL);
    } catch (const Error&) {
      continue;  // it has ended by itself
    }
  }
}

void Cgroups::freeze(const std::string& container, Freeze freeze) {
  bool stop = freeze == Freeze::yes;
  for (const auto& h : hierarchies_) {
    std::string path = directory(h, container);
    if (h.v2 && ::access((path + "/cgroup.freeze").c_str(), W_OK) == 0)
      return write_control(path + "/cgroup.freeze", stop ? "1" : "0");
    if (controls(h, "freezer"))
      return write_control(path + "/freezer.state", stop ? "FROZEN" : "THAWED");
  }
  throw Error("no cgroup of this machine can freeze processes");
}

namespace {

std::optional<uint64_t> bytes_in(const std::string& file) {
  std::istringstream text(read_or_empty(file));
  uint64_t value = 0;
  if (!(text >> value)) return std::nullopt;  // "max" of v2, or no such file
  return value;
}

// cgroup-v2.rst; cgroup-v1/memory.rst.
MemoryUse memory_use_in(const std::string& group, bool v2) {
  MemoryUse out;
  std::istringstream lines(read_or_empty(group + (v2 ? "/memory.events" : "/memory.oom_control")));
  long count = 0;
  for (std::string key; lines >> key >> count;) {
    if (key == "oom_kill") out.kills = count;
  }
  out.limit = bytes_in(group + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  constexpr uint64_t kUnlimited = uint64_t{1} << 62U;  // v1 writes the largest number of pages
  if (out.limit && *out.limit > kUnlimited) out.limit.reset();
  out.peak = bytes_in(group + (v2 ? "/memory.peak" : "/memory.max_usage_in_bytes"));
  return out;
}

}  // namespace

MemoryUse Cgroups::memory_use(const std::string& container) const {
  for (const auto& h : hierarchies_) {
    if (controls(h, "memory")) return memory_use_in(directory(h, container), false);
  }
  for (const auto& h : hierarchies_) {
    if (h.v2) return memory_use_in(directory(h, container), true);
  }
  return {};
}

}  // namespace pcompose::engine
