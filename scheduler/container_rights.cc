#include "scheduler/container_rights.h"

#include <algorithm>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/runtime/docker_seccomp.h"
#include "engine/runtime/names.h"
#include "engine/runtime/seccomp_profile.h"
#include "engine/seccomp.h"
#include "scheduler/container_devices.h"
#include "scheduler/sharing.h"

namespace pcompose::scheduler {
namespace {

using engine::CapabilitySet;

constexpr uint64_t kOpenFiles = 524288;  // docker's hard limit; clamped to what we may have
constexpr uint64_t kOpenFilesSoft = 1024;
constexpr CapabilitySet kAll = (CapabilitySet{1} << (CAP_LAST_CAP + 1U)) - 1;

Error refused(const compose::Service& service, const std::string& path, const std::string& what) {
  Error error("services." + service.name + "." + path + ": " + what);
  error.at(service.origin(path));
  return error;
}

bool is_all(const std::string& name) { return name == "ALL" || name == "all"; }

CapabilitySet named(const compose::Service& service, const std::string& path,
                    const std::string& name) {
  auto number = engine::runtime::capability_number(name);
  if (!number) {
    throw refused(service, path, "\"" + name + "\" is no capability")
        .hint("names are those of capabilities(7), as NET_ADMIN, or ALL");
  }
  return CapabilitySet{1} << static_cast<unsigned>(*number);
}

CapabilitySet capability_set(const compose::Service& service) {
  if (service.privileged) return kAll;
  CapabilitySet set = engine::default_capabilities().bounding;
  for (const std::string& name : service.cap_drop)
    if (is_all(name)) set = 0;
  for (size_t i = 0; i < service.cap_add.size(); ++i) {
    const std::string& name = service.cap_add[i];
    set |= is_all(name) ? kAll : named(service, fmt::format("cap_add[{}]", i), name);
  }
  for (size_t i = 0; i < service.cap_drop.size(); ++i) {
    const std::string& name = service.cap_drop[i];
    if (!is_all(name)) set &= ~named(service, fmt::format("cap_drop[{}]", i), name);
  }
  return set;
}

// "no-new-privileges:true" and "seccomp=x" are both in use.
std::pair<std::string, std::string> option_parts(const std::string& option) {
  size_t at = option.find_first_of("=:");
  if (at == std::string::npos) return {option, ""};
  return {option.substr(0, at), option.substr(at + 1)};
}

void add_rlimits(const compose::Service& service, engine::Process& process) {
  bool files = service.ulimits.contains("nofile");
  if (!files) process.rlimits.push_back({RLIMIT_NOFILE, kOpenFilesSoft, kOpenFiles});
  auto value = [](int64_t v) { return v < 0 ? RLIM_INFINITY : static_cast<uint64_t>(v); };
  for (const auto& [name, limit] : service.ulimits) {
    std::string upper = "RLIMIT_" + name;
    std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
    auto number = engine::runtime::rlimit_number(upper);
    if (!number) {
      throw refused(service, "ulimits." + name, "is no limit of a process")
          .hint("the names are those of getrlimit(2), as nofile or nproc");
    }
    process.rlimits.push_back({*number, value(limit.soft), value(limit.hard)});
  }
}

void add_sysctls(const compose::Service& service, engine::Linux& linux) {
  bool own_network = service.network_mode != "host";  // it has Docker's defaults (netns/kernel.cc)
  for (const auto& [name, value] : service.sysctls) {
    std::string path = name;
    std::replace(path.begin(), path.end(), '.', '/');
    bool network = path.starts_with("net/");
    bool ipc = path.starts_with("fs/mqueue/") || path.starts_with("kernel/shm") ||
               path.starts_with("kernel/msg") || path == "kernel/sem";
    bool uts = path == "kernel/domainname" || path == "kernel/hostname";
    bool ours = (network && own_network) ||
                (ipc && service.ipc != "host" && !names_another(service.ipc)) ||
                (uts && service.uts != "host");
    if (!ours || path.find("..") != std::string::npos) {
      throw refused(service, "sysctls." + name,
                    "is a setting of the whole machine, or of a namespace that the container "
                    "shares with it");
    }
    std::erase_if(linux.sysctl, [&](const auto& s) { return s.first == path; });
    linux.sysctl.emplace_back(path, value);
  }
}

// `host` leaves the namespace out. What is behind the words is refused when the file is read.
void choose_namespaces(const compose::Service& service, engine::ContainerSpec& spec) {
  auto leave_out = [&](const std::string& mode, uint64_t flag) {
    if (mode == "host") spec.linux.new_namespaces &= ~flag;
  };
  leave_out(service.pid, CLONE_NEWPID);
  leave_out(service.ipc, CLONE_NEWIPC);
  leave_out(service.uts, CLONE_NEWUTS);
  leave_out(service.cgroup, CLONE_NEWCGROUP);
  if (service.uts == "host") spec.hostname.clear();
  if (service.ipc == "none")
    std::erase_if(spec.mounts, [](const engine::Mount& m) { return m.destination == "/dev/shm"; });
  for (engine::Mount& m : spec.mounts) {
    // A new mqueue shows the host's queues anyway, by the namespace.
    if (service.ipc != "host" || m.destination != "/dev/shm") continue;
    m.type = "bind";
    m.source = m.destination;
    m.data.clear();
    m.flags = 0;
  }
}

}  // namespace

engine::Capabilities all_capabilities() {
  return {.bounding = kAll, .effective = kAll, .permitted = kAll};
}

bool asks_for_mknod(const compose::Service& service) {
  return service.privileged || std::ranges::any_of(service.cap_add, [](const std::string& name) {
           return is_all(name) || engine::runtime::capability_number(name) == CAP_MKNOD;
         });
}

engine::Capabilities capabilities_of(const compose::Service& service) {
  CapabilitySet set = capability_set(service);
  return {.bounding = set, .effective = set, .permitted = set};
}

SecurityOptions security_options_of(const compose::Service& service) {
  SecurityOptions out;
  out.seccomp_unconfined = out.system_paths_unconfined = service.privileged;
  for (size_t i = 0; i < service.security_opt.size(); ++i) {
    std::string path = fmt::format("security_opt[{}]", i);
    auto [key, value] = option_parts(service.security_opt[i]);
    if (key == "no-new-privileges") {
      out.no_new_privileges = value.empty() || value == "true";
    } else if (key == "seccomp") {
      out.seccomp_unconfined = value == "unconfined";
      if (value != "unconfined" && value != "builtin") out.seccomp_file = value;
    } else if (key == "systempaths") {
      out.system_paths_unconfined = value == "unconfined";
    } else if (key == "apparmor") {
      if (value != "unconfined") out.apparmor_profile = value;
    } else if (key == "label" && value == "disable") {
      continue;
    } else {
      throw refused(service, path, "\"" + service.security_opt[i] + "\" is not supported")
          .hint(
              "no-new-privileges, seccomp=, apparmor=, systempaths=unconfined and label=disable "
              "are");
    }
  }
  return out;
}

namespace {

engine::SeccompProfile profile_in(const compose::Service& service, const std::string& file,
                                  const std::string& project_directory) {
  std::string path = file.starts_with('/') ? file : project_directory + "/" + file;
  try {
    json::value document = json::parse(read_file(path));
    return engine::runtime::parse_docker_seccomp(engine::runtime::JsonNode(document, path),
                                                 capabilities_of(service).bounding);
  } catch (const std::exception& e) {
    throw refused(service, "security_opt", e.what());
  }
}

}  // namespace

std::string seccomp_of(const compose::Service& service, const std::string& project_directory,
                       const std::string& cache_directory) {
  SecurityOptions options = security_options_of(service);
  if (options.seccomp_unconfined) return "";
  if (options.seccomp_file.empty())
    return engine::default_seccomp_filter(capabilities_of(service), cache_directory);
  auto profile = profile_in(service, options.seccomp_file, project_directory);
  try {
    return engine::runtime::compile_seccomp(profile, cache_directory).bytes;
  } catch (const std::exception& e) {
    throw refused(service, "security_opt", e.what());
  }
}

std::optional<engine::SeccompProfile> seccomp_profile_of(const compose::Service& service,
                                                         const std::string& project_directory) {
  SecurityOptions options = security_options_of(service);
  if (options.seccomp_unconfined) return std::nullopt;
  if (options.seccomp_file.empty())
    return engine::default_seccomp_profile(capabilities_of(service).bounding);
  return profile_in(service, options.seccomp_file, project_directory);
}

void apply_rights(const compose::Service& service, engine::ContainerSpec& spec) {
  SecurityOptions options = security_options_of(service);
  engine::Process& p = spec.process;
  p.capabilities = capabilities_of(service);
  p.no_new_privileges = options.no_new_privileges;
  p.apparmor_profile = options.apparmor_profile;
  if (service.oom_score_adj != 0) p.oom_score_adj = service.oom_score_adj;
  p.rlimits.clear();
  add_rlimits(service, p);
  add_sysctls(service, spec.linux);
  choose_namespaces(service, spec);
  if (options.system_paths_unconfined) {
    spec.linux.masked_paths.clear();
    spec.linux.readonly_paths.clear();
  }
  if (service.privileged) {
    constexpr unsigned long kReadOnly = 1;  // MS_RDONLY
    for (engine::Mount& m : spec.mounts)
      if (m.type == "sysfs") m.flags &= ~kReadOnly;
  }
  spec.linux.devices = devices_of(service);
  spec.linux.resources = resources_of(service);
  spec.linux.resources.devices = device_rules_of(service, spec.linux.devices);
  for (const auto& [key, value] : service.annotations) spec.annotations[key] = value;
}

}  // namespace pcompose::scheduler
