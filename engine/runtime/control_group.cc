#include "engine/runtime/control_group.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <set>
#include <sstream>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/pidfd.h"
#include "engine/runtime/device_rules.h"
#include "engine/runtime/real_time.h"
#include "engine/runtime/resource_files.h"

namespace pcompose::engine::runtime {
namespace {

using namespace std::chrono_literals;

constexpr const char* kParent = "/pcompose-runtime";

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> out;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, separator);) {
    if (!word.empty()) out.push_back(word);
  }
  return out;
}

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

void write_file(const std::string& path, const std::string& value) {
  Fd fd = open_file(path, O_WRONLY);
  if (::write(fd.get(), value.data(), value.size()) < 0)
    throw Error::from_errno(fmt::format("write \"{}\" to {}", value, path));
}

std::string read_or_empty(const std::string& path) {
  if (!exists(path)) return "";
  try {
    return read_file(path);
  } catch (const Error&) {
    return "";  // a group that goes while we look
  }
}

// A new cpuset is empty and takes no process (cgroup-v1/cpusets.rst): it starts as its parent.
void fill_cpuset(const std::string& directory) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    std::string now = read_or_empty(directory + file);
    if (now.find_first_not_of(" \n") != std::string::npos) continue;
    std::string parent = directory.substr(0, directory.rfind('/'));
    write_file(directory + file, read_file(parent + file));
  }
}

void make_group(const Hierarchy& h, const std::string& path) {
  std::string at = h.mount;
  for (const std::string& name : split(path, '/')) {
    if (name == "." || name == "..") throw Error("linux.cgroupsPath: holds " + name);
    if (h.v2) offer_controllers(at);
    at += "/" + name;
    if (::mkdir(at.c_str(), 0755) != 0 && errno != EEXIST)
      throw Error::from_errno("make the cgroup " + at);
    if (contains(h.controllers, "cpuset") && !h.v2) fill_cpuset(at);
  }
}

std::string path_for(const Hierarchy& h, const std::string& cgroups_path, const std::string& id,
                     const std::string& own) {
  if (cgroups_path.empty()) return fmt::format("{}/{}", kParent, id);
  if (cgroups_path.starts_with('/')) return cgroups_path;
  std::string below = path_in_hierarchy(own, h);
  return fmt::format("{}/{}", below == "/" ? "" : below, cgroups_path);
}

bool is_in_our_parent(const std::string& group) {
  return group.substr(0, group.rfind('/')).ends_with(kParent);
}

template <class F>
void each_group(const std::string& path, F f) {
  Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return;
  for (const std::string& name : directory_entries(directory.get())) {
    struct stat st{};
    if (::fstatat(directory.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
      each_group(path + "/" + name, f);
  }
  f(path);
}

}  // namespace

void offer_controllers(const std::string& group) {
  for (const std::string& controller : split(read_or_empty(group + "/cgroup.controllers"), ' ')) {
    std::string name = controller.substr(0, controller.find('\n'));
    if (name.empty()) continue;
    Fd fd(::open((group + "/cgroup.subtree_control").c_str(), O_WRONLY | O_CLOEXEC));
    if (fd && ::write(fd.get(), ("+" + name).data(), name.size() + 1) < 0) continue;
  }
}

std::vector<Hierarchy> parse_hierarchies(const std::string& mountinfo) {
  // mountinfo lists options of the file system, too; of a v1 hierarchy these are its controllers.
  static const std::set<std::string> kNoControllers = {
      "rw", "ro", "xattr", "noprefix", "all", "clone_children", "release_agent"};
  std::vector<Hierarchy> out;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    auto front = split(line.substr(0, dash), ' '), back = split(line.substr(dash + 3), ' ');
    if (front.size() < 5 || back.size() < 3) continue;
    const std::string& mount = front[4];
    auto same = [&](const Hierarchy& h) { return h.mount == mount; };
    if (std::any_of(out.begin(), out.end(), same)) continue;
    if (back[0] == "cgroup2") out.push_back({mount, {}, true});
    if (back[0] != "cgroup") continue;
    Hierarchy h{mount, {}, false};
    for (const std::string& word : split(back[2], ',')) {
      if (!kNoControllers.contains(word.substr(0, word.find('=')))) h.controllers.push_back(word);
    }
    auto shares = [&](const Hierarchy& o) { return !o.v2 && o.controllers == h.controllers; };
    if (std::none_of(out.begin(), out.end(), shares)) out.push_back(std::move(h));
  }
  return out;
}

std::string path_in_hierarchy(const std::string& proc_cgroup, const Hierarchy& hierarchy) {
  std::istringstream lines(proc_cgroup);
  for (std::string line; std::getline(lines, line);) {
    size_t first = line.find(':');
    size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    auto names = split(line.substr(first + 1, second - first - 1), ',');
    bool same = hierarchy.v2 ? line.starts_with("0:") && names.empty()
                             : !hierarchy.controllers.empty() &&
                                   contains(names, hierarchy.controllers.front());
    if (same) return line.substr(second + 1);
  }
  return "";
}

namespace {

std::set<std::string> wanted_controllers(const Resources& resources) {
  std::set<std::string> out;
  Resources limits = resources;
  limits.unified.clear();
  for (const ResourceWrite& write : resource_writes_v1(limits)) out.insert(write.controller);
  return out;
}

bool is_wanted(const Hierarchy& h, const std::set<std::string>& controllers) {
  return std::any_of(h.controllers.begin(), h.controllers.end(),
                     [&](const std::string& c) { return controllers.contains(c); });
}

}  // namespace

std::optional<std::set<std::string>> needed_controllers(const ContainerSpec& spec) {
  auto shows_groups = [](const Mount& m) {
    return m.type == "cgroup" || m.type == "cgroup2" ||
           (m.type == "bind" && m.source.starts_with("/sys"));
  };
  bool all = !spec.linux.cgroups_path.empty() ||
             std::any_of(spec.mounts.begin(), spec.mounts.end(), shows_groups);
  if (all) return std::nullopt;
  return wanted_controllers(spec.linux.resources);
}

ControlGroup ControlGroup::make(const std::string& cgroups_path, const std::string& id,
                                const std::optional<std::set<std::string>>& wanted) {
  std::string own = read_file("/proc/self/cgroup");
  auto path = [&](const Hierarchy& h) { return path_for(h, cgroups_path, id, own); };
  return make_groups(parse_hierarchies(read_file("/proc/self/mountinfo")), path, wanted);
}

ControlGroup ControlGroup::make_in(const std::vector<Hierarchy>& hierarchies,
                                   const std::string& path,
                                   const std::optional<std::set<std::string>>& wanted) {
  return make_groups(hierarchies, [&](const Hierarchy&) { return path; }, wanted);
}

ControlGroup ControlGroup::make_groups(const std::vector<Hierarchy>& hierarchies,
                                       const std::function<std::string(const Hierarchy&)>& path_of,
                                       const std::optional<std::set<std::string>>& wanted) {
  bool has_v2 =
      std::any_of(hierarchies.begin(), hierarchies.end(), [](const Hierarchy& h) { return h.v2; });
  ControlGroup group;
  for (const Hierarchy& h : hierarchies) {
    if (wanted && has_v2 && !h.v2 && !is_wanted(h, *wanted)) continue;
    std::string path = path_of(h);
    GroupDirectory directory{h.mount + path, h.controllers, h.v2};
    try {
      make_group(h, path);
    } catch (const Error& e) {
      // A hierarchy that only tracks (systemd's) may belong to somebody else.
      bool needed = h.v2 || !h.controllers.front().starts_with("name=");
      if (!needed && e.error_number() != 0) continue;
      group.remove();
      throw;
    }
    if (h.v2) {
      for (const std::string& c : split(read_or_empty(directory.path + "/cgroup.controllers"), ' '))
        directory.controllers.push_back(c.substr(0, c.find('\n')));
    }
    group.directories_.push_back(std::move(directory));
  }
  return group;
}

bool ControlGroup::extend(const std::string& id, const Resources& resources) {
  auto wanted = wanted_controllers(resources);
  auto pids = processes();
  bool extended = false;
  for (const Hierarchy& h : parse_hierarchies(read_file("/proc/self/mountinfo"))) {
    if (h.v2 || !is_wanted(h, wanted) || find(h.controllers.front()) != nullptr) continue;
    std::string path = fmt::format("{}/{}", kParent, id);
    make_group(h, path);
    directories_.push_back({h.mount + path, h.controllers, false});
    for (pid_t pid : pids)
      write_file(directories_.back().path + "/cgroup.procs", std::to_string(pid));
    extended = true;
  }
  return extended;
}

ControlGroup ControlGroup::from_json(const json::value& value) {
  ControlGroup group;
  for (const json::value& item : value.as_array()) {
    GroupDirectory d;
    d.path = std::string(item.at("path").as_string());
    d.v2 = item.at("v2").as_bool();
    for (const json::value& c : item.at("controllers").as_array())
      d.controllers.emplace_back(c.as_string());
    group.directories_.push_back(std::move(d));
  }
  return group;
}

json::value ControlGroup::to_json() const {
  json::array out;
  for (const GroupDirectory& d : directories_) {
    json::array controllers(d.controllers.begin(), d.controllers.end());
    out.push_back({{"path", d.path}, {"v2", d.v2}, {"controllers", std::move(controllers)}});
  }
  return out;
}

const GroupDirectory* ControlGroup::find(const std::string& controller) const {
  for (const GroupDirectory& d : directories_) {
    if (contains(d.controllers, controller)) return &d;
  }
  return nullptr;
}

namespace {

void write_resource(const GroupDirectory& directory, const ResourceWrite& write) {
  for (const std::string& name : split(write.file, '|')) {
    std::string path = directory.path + "/" + name;
    if (!exists(path)) continue;
    try {
      return write_file(path, write.value);
    } catch (Error& e) {
      throw e.add(write.place);
    }
  }
  throw Error(
      fmt::format("{}: this kernel has no {} in {}", write.place, write.file, directory.path));
}

// A limit above the one of memory and swap is refused (EINVAL); the sum goes first then.
void write_in_order(const ControlGroup& group, std::vector<ResourceWrite>& writes) {
  for (size_t i = 0; i < writes.size(); ++i) {
    const GroupDirectory* directory = group.find(writes[i].controller);
    if (directory == nullptr) {
      throw Error(
          fmt::format("{}: there is no {} controller here", writes[i].place, writes[i].controller))
          .hint("leave the limit out, or mount the controller");
    }
    try {
      write_resource(*directory, writes[i]);
    } catch (const Error& e) {
      bool swap_follows = i + 1 < writes.size() && writes[i].file == "memory.limit_in_bytes" &&
                          writes[i + 1].file == "memory.memsw.limit_in_bytes";
      if (e.error_number() != EINVAL || !swap_follows) throw;
      write_resource(*directory, writes[i + 1]);
      write_resource(*directory, writes[i]);
    }
  }
}

}  // namespace

void ControlGroup::apply(const Resources& resources) const {
  auto hierarchies = parse_hierarchies(read_file("/proc/self/mountinfo"));
  bool v1 =
      std::any_of(hierarchies.begin(), hierarchies.end(), [](const Hierarchy& h) { return !h.v2; });
  if (!v1) {
    auto writes = resource_writes_v2(resources);
    return write_in_order(*this, writes);
  }
  Resources limits = resources;
  // On a hybrid host a controller that no v1 hierarchy has may be the v2 one's.
  const GroupDirectory* pages = find("hugetlb");
  if (pages != nullptr && pages->v2) {
    Resources huge;
    huge.huge_pages.swap(limits.huge_pages);
    auto writes = resource_writes_v2(huge);
    write_in_order(*this, writes);
  }
  const GroupDirectory* cpu = find("cpu");
  if (limits.cpu.realtime_runtime.value_or(0) > 0 && cpu != nullptr && is_in_our_parent(cpu->path))
    lend_real_time(cpu->path, limits.cpu);
  auto writes = resource_writes_v1(limits);
  write_in_order(*this, writes);
}

void ControlGroup::apply_device_rules(const std::vector<DeviceRule>& rules) const {
  if (const GroupDirectory* v1 = find("devices")) {
    for (const DeviceRule& rule : rules)
      write_file(v1->path + (rule.allow ? "/devices.allow" : "/devices.deny"), rule_text(rule));
    return;
  }
  Fd v2 = open_v2();
  if (v2) attach_device_program(v2.get(), rules);
}

std::vector<std::string> ControlGroup::procs_to_join() const {
  std::vector<std::string> out;
  for (const GroupDirectory& d : directories_) {
    if (!d.v2) out.push_back(d.path + "/cgroup.procs");
  }
  return out;
}

Fd ControlGroup::open_v2() const {
  for (const GroupDirectory& d : directories_) {
    if (d.v2) return open_file(d.path, O_RDONLY | O_DIRECTORY);
  }
  return {};
}

std::vector<pid_t> ControlGroup::processes() const {
  std::set<pid_t> pids;
  for (const GroupDirectory& d : directories_) {
    each_group(d.path, [&](const std::string& path) {
      std::istringstream numbers(read_or_empty(path + "/cgroup.procs"));
      for (pid_t pid = 0; numbers >> pid;) pids.insert(pid);
    });
    if (!pids.empty()) break;  // every hierarchy has the same ones
  }
  return {pids.begin(), pids.end()};
}

void ControlGroup::signal_all(int signal) const {
  for (pid_t pid : processes()) {
    try {
      Pidfd::open(pid).send_signal(signal);
    } catch (const Error& e) {
      if (e.error_number() != ESRCH) throw;
    }
  }
}

bool ControlGroup::is_frozen() const {
  if (const GroupDirectory* v1 = find("freezer"))
    return read_or_empty(v1->path + "/freezer.state") != "THAWED\n" && exists(v1->path);
  for (const GroupDirectory& d : directories_) {
    if (d.v2) return read_or_empty(d.path + "/cgroup.events").find("frozen 1") != std::string::npos;
  }
  return false;
}

void ControlGroup::set_frozen(Freeze how) const {
  bool freeze = how == Freeze::frozen;
  const GroupDirectory* v1 = find("freezer");
  std::string file, wanted, state;
  for (const GroupDirectory& d : directories_) {
    if (v1 == nullptr && d.v2) {
      write_file(d.path + "/cgroup.freeze", freeze ? "1" : "0");
      state = d.path + "/cgroup.events";
      wanted = freeze ? "frozen 1" : "frozen 0";
    }
  }
  if (v1 != nullptr) {
    state = v1->path + "/freezer.state";
    wanted = freeze ? "FROZEN" : "THAWED";
    write_file(state, wanted);
  }
  if (state.empty()) throw Error("there is no cgroup that could be frozen");
  for (int i = 0; i < 1000; ++i) {
    if (read_file(state).find(wanted) != std::string::npos) return;
    // v1 may stop half-way (FREEZING) where a process forks; writing again goes on.
    if (v1 != nullptr && i % 50 == 49) write_file(state, wanted);
    std::this_thread::sleep_for(1ms);
  }
  throw Error("the processes do not reach the state " + wanted, EBUSY);
}

void ControlGroup::leave_frozen_groups(pid_t init) const {
  const GroupDirectory* own = find("freezer");
  if (own != nullptr && own->v2) return;
  auto pids = processes();
  pids.push_back(init);
  for (const Hierarchy& h : parse_hierarchies(read_file("/proc/self/mountinfo"))) {
    if (h.v2 || !contains(h.controllers, "freezer")) continue;
    std::string refuge = own != nullptr ? own->path : h.mount;
    for (pid_t pid : pids) {
      std::string group = path_in_hierarchy(read_or_empty(fmt::format("/proc/{}/cgroup", pid)), h);
      std::string state = read_or_empty(h.mount + group + "/freezer.state");
      if (state.empty() || state == "THAWED\n") continue;
      Fd procs = open_file(refuge + "/cgroup.procs", O_WRONLY);
      std::string text = std::to_string(pid);
      if (::write(procs.get(), text.data(), text.size()) < 0 && errno != ESRCH)
        throw Error::from_errno(fmt::format("take process {} out of {}", pid, h.mount + group));
    }
  }
}

void ControlGroup::remove() const {
  for (const GroupDirectory& d : directories_) {
    if (::rmdir(d.path.c_str()) != 0)
      each_group(d.path, [](const std::string& path) {
        for (int i = 0; ::rmdir(path.c_str()) != 0; ++i) {
          if (errno == ENOENT) return;
          if (errno != EBUSY || i == 500) throw Error::from_errno("remove the cgroup " + path);
          std::this_thread::sleep_for(1ms);
        }
      });
    // With the last container.
    if (is_in_our_parent(d.path)) ::rmdir(d.path.substr(0, d.path.rfind('/')).c_str());
  }
}

}  // namespace pcompose::engine::runtime
