#include "engine/runtime/documents.h"

#include <algorithm>
#include <sched.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/json_text.h"
#include "engine/runtime/names.h"
#include "engine/runtime/seccomp_profile.h"
#include "engine/runtime/state.h"

namespace pcompose::engine::runtime {
namespace {

json::array array_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

json::object mount(const char* destination, const char* type, std::vector<std::string> options) {
  json::object m = {{"destination", destination}, {"type", type}, {"source", type}};
  if (!options.empty()) m["options"] = array_of(options);
  return m;
}

json::object default_capability_object() {
  json::array names;
  CapabilitySet set = default_capabilities().bounding;
  for (size_t i = 0; i < capability_names().size(); ++i) {
    if ((set >> i & 1U) != 0) names.emplace_back(capability_names()[i]);
  }
  return {{"bounding", names}, {"effective", names}, {"permitted", names}};
}

json::object default_process() {
  return {
      {"terminal", true},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", {"sh"}},
      {"env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
      {"cwd", "/"},
      {"capabilities", default_capability_object()},
      {"rlimits", {{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}}},
      {"noNewPrivileges", true}};
}

json::array default_mount_array(Rootless rootless) {
  std::vector<std::string> devpts = {"nosuid", "noexec", "newinstance", "ptmxmode=0666",
                                     "mode=0620"};
  if (rootless == Rootless::no) devpts.emplace_back("gid=5");
  json::array out = {
      mount("/proc", "proc", {}),
      mount("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", devpts),
      mount("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"})};
  if (rootless == Rootless::yes) {
    json::object sys = mount("/sys", "none", {"rbind", "nosuid", "noexec", "nodev", "ro"});
    sys["source"] = "/sys";
    out.push_back(std::move(sys));
  } else {
    out.push_back(mount("/sys", "sysfs", {"nosuid", "noexec", "nodev", "ro"}));
    out.push_back(
        mount("/sys/fs/cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}));
  }
  return out;
}

json::object default_linux(Rootless rootless) {
  json::array namespaces;
  for (const auto& [name, flag] : namespace_names()) {
    bool rootless_only = flag == CLONE_NEWUSER;
    if (name == "time" || (rootless_only && rootless == Rootless::no)) continue;
    if (flag == CLONE_NEWNET && rootless == Rootless::yes) continue;
    namespaces.push_back({{"type", name}});
  }
  json::object linux = {{"namespaces", std::move(namespaces)},
                        {"maskedPaths", array_of(default_masked_paths())},
                        {"readonlyPaths", array_of(default_readonly_paths())}};
  auto map = [](uint32_t id) {
    return json::array{{{"containerID", 0}, {"hostID", id}, {"size", 1}}};
  };
  if (rootless == Rootless::yes) {
    linux["uidMappings"] = map(::geteuid());
    linux["gidMappings"] = map(::getegid());
  } else {
    linux["resources"] = {{"devices", {{{"allow", false}, {"access", "rwm"}}}}};
  }
  return linux;
}

json::array hook_names() {
  json::array out;
  for (const HookKind& kind : kHookKinds) out.emplace_back(kind.name);
  return out;
}

bool exists(const char* path) { return ::access(path, F_OK) == 0; }

json::array names_of(std::span<const NamedNumber> all) {
  json::array out;
  for (const NamedNumber& one : all) out.emplace_back(one.name);
  return out;
}

json::object seccomp_features() {
  return {{"enabled", true},
          {"actions", array_of(seccomp_actions())},
          {"operators", array_of(seccomp_operators())},
          {"archs", array_of(seccomp_architectures())},
          {"knownFlags", array_of(seccomp_flags())},
          {"supportedFlags", array_of(seccomp_flags())}};
}

}  // namespace

std::string default_config(Rootless rootless) {
  json::object config = {{"ociVersion", "1.2.0"},
                         {"process", default_process()},
                         {"root", {{"path", "rootfs"}, {"readonly", true}}},
                         {"hostname", "pcompose"},
                         {"mounts", default_mount_array(rootless)},
                         {"linux", default_linux(rootless)}};
  return indented_json(config);
}

std::string features_document() {
  std::vector<std::string> options, namespaces;
  for (const MountOption& o : mount_options()) options.emplace_back(o.name);
  std::sort(options.begin(), options.end());
  for (const auto& [name, flag] : namespace_names()) namespaces.push_back(name);
  json::object linux = {
      {"namespaces", array_of(namespaces)},
      {"capabilities", array_of(capability_names())},
      {"cgroup",
       {{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", true}}},
      {"seccomp", seccomp_features()},
      {"apparmor", {{"enabled", exists("/sys/module/apparmor")}}},
      {"selinux", {{"enabled", exists("/sys/fs/selinux")}}},
      {"intelRdt", {{"enabled", false}}},
      {"netDevices", {{"enabled", true}}},
      {"memoryPolicy", {{"modes", names_of(memory_modes())}, {"flags", names_of(memory_flags())}}},
      {"mountExtensions", {{"idmap", {{"enabled", true}}}}}};
  json::object features = {{"ociVersionMin", "1.0.0"},
                           {"ociVersionMax", "1.3.0"},
                           {"hooks", hook_names()},
                           {"mountOptions", array_of(options)},
                           {"linux", std::move(linux)}};
  return indented_json(features);
}

std::string list_document(const std::string& root, Format format) {
  json::array all;
  std::string table =
      fmt::format("{:<24} {:<8} {:<9} {:<40} {}\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
  for (const std::string& id : StateDirectory::list(root)) {
    StateDirectory directory = StateDirectory::open(root, id);
    ContainerRecord record = directory.load();
    Status status = status_of(directory, record);
    json::object o = json::parse(state_document(record, status)).as_object();
    table += fmt::format("{:<24} {:<8} {:<9} {:<40} {}\n", id, o["pid"].as_int64(), name_of(status),
                         record.bundle, record.created);
    all.push_back(std::move(o));
  }
  return format == Format::json ? json::serialize(all) + "\n" : table;
}

std::string processes_document(const std::string& root, const std::string& id, Format format) {
  ContainerRecord record = StateDirectory::open(root, id).load();
  auto pids = record.group.processes();
  if (format == Format::json) return json::serialize(json::array(pids.begin(), pids.end())) + "\n";
  std::string table = fmt::format("{:<8} {:<8} {}\n", "UID", "PID", "CMD");
  for (pid_t pid : pids) {
    struct stat st{};
    std::string directory = fmt::format("/proc/{}", pid);
    if (::stat(directory.c_str(), &st) != 0) continue;  // it ended meanwhile
    std::string command;
    try {
      command = read_file(directory + "/cmdline");
    } catch (const Error&) {
      continue;
    }
    for (char& c : command) c = c == '\0' ? ' ' : c;
    table += fmt::format("{:<8} {:<8} {}\n", st.st_uid, pid, command);
  }
  return table;
}

}  // namespace pcompose::engine::runtime
