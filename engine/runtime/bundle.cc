#include "engine/runtime/bundle.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <fmt/format.h>

#include "base/error.h"
#include "engine/launch/kernel_abi.h"
#include "engine/runtime/bundle_plan.h"
#include "engine/runtime/config.h"
#include "engine/runtime/device_nodes.h"
#include "engine/runtime/id_maps.h"
#include "engine/runtime/seccomp_profile.h"
#include "engine/user.h"

namespace pcompose::engine::runtime {
namespace {

std::string real_path(const std::string& path, const std::string& place) {
  char buffer[PATH_MAX];
  if (::realpath(path.c_str(), buffer) == nullptr)
    throw Error::from_errno(fmt::format("{}: {}", place, path));
  return buffer;
}

std::string below(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : directory + "/" + path;
}

bool has_user_namespace(const Linux& linux) {
  auto joins = [](const NamespacePath& n) { return n.type == CLONE_NEWUSER; };
  return (linux.new_namespaces & CLONE_NEWUSER) != 0 ||
         std::any_of(linux.namespace_paths.begin(), linux.namespace_paths.end(), joins);
}

void open_namespaces(Bundle& b) {
  for (size_t i = 0; i < b.spec.linux.namespace_paths.size(); ++i) {
    const NamespacePath& n = b.spec.linux.namespace_paths[i];
    std::string place = fmt::format("linux.namespaces: {}", n.path);
    Fd fd(::open(n.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) throw Error::from_errno(place);
    // What another type is, says the kernel only when it is entered, without a name.
    int type = ::ioctl(fd.get(), 0xb703 /* NS_GET_NSTYPE */);
    if (type < 0) throw Error(place + " is no namespace", EINVAL);
    if (static_cast<uint64_t>(static_cast<unsigned>(type)) != n.type)
      throw Error(place + " is a namespace of another type", EINVAL);
    b.spec.linux.namespaces.emplace_back(n.type, fd.get());
    b.held.push_back(std::move(fd));
  }
}

// The tree of a source that the container's own user may not reach.
int open_tree(Bundle& b, const Mount& m, const std::string& place) {
  unsigned flags = launch::kOpenTreeClone | O_CLOEXEC | (m.recursive ? launch::kAtRecursive : 0U);
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, m.source.c_str(), flags)));
  if (!tree) throw Error::from_errno(place);
  b.held.push_back(std::move(tree));
  return b.held.back().get();
}

void map_mount(Bundle& b, Mount& m) {
  if (m.uid_mappings.empty()) return;
  b.held.push_back(mapping_namespace(m.uid_mappings, m.gid_mappings));
  m.user_namespace = b.held.back().get();
}

void find_source(Bundle& b, Mount& m, size_t index) {
  std::string place = fmt::format("mounts[{}].source: {}", index, m.source);
  m.source = below(b.directory, m.source);
  struct stat st{};
  if (::stat(m.source.c_str(), &st) != 0) throw Error::from_errno(place);
  m.is_file = !S_ISDIR(st.st_mode);
  if (has_user_namespace(b.spec.linux)) {
    m.tree = open_tree(b, m, place);
    // A clone made out here is a peer of its source; in there it would have been its slave.
    if (m.propagation == 0) {
      m.propagation = MS_SLAVE;
      m.all_propagation = true;
    }
  }
  map_mount(b, m);
}

// A user namespace that does not own the network namespace may not mount a sysfs that shows it.
void replace_sysfs(Mount& m) {
  m.type = "bind";
  m.source = "/sys";
  m.recursive = true;
  m.data.clear();
  m.top_only = true;
}

void find_sources(Bundle& b) {
  bool foreign_network =
      has_user_namespace(b.spec.linux) && (b.spec.linux.new_namespaces & CLONE_NEWNET) == 0;
  for (size_t i = 0; i < b.spec.mounts.size(); ++i) {
    Mount& m = b.spec.mounts[i];
    if (m.type == "sysfs" && foreign_network) replace_sysfs(m);
    if (m.type == "bind") find_source(b, m, i);
  }
}

bool selinux_is_on() { return ::access("/sys/fs/selinux/enforce", F_OK) == 0; }

void check_host(const ContainerSpec& spec) {
  if (!spec.process.apparmor_profile.empty() &&
      ::access("/sys/module/apparmor/parameters/enabled", F_OK) != 0 &&
      spec.process.apparmor_profile != "unconfined")
    throw Error("process.apparmorProfile: this kernel runs without AppArmor")
        .hint("leave it out here");
  if (!spec.process.selinux_label.empty() && !selinux_is_on())
    throw Error("process.selinuxLabel: this kernel runs without SELinux").hint("leave it out here");
}

void label_mounts(ContainerSpec& spec) {
  // Without SELinux there is nothing a label could mean.
  if (spec.linux.mount_label.empty() || !selinux_is_on()) return;
  for (Mount& m : spec.mounts) {
    if (m.type != "tmpfs" && m.type != "devpts" && m.type != "mqueue") continue;
    m.data += fmt::format("{}context=\"{}\"", m.data.empty() ? "" : ",", spec.linux.mount_label);
  }
}

void check_namespaces(const ContainerSpec& spec) {
  const Linux& l = spec.linux;
  auto has = [&](uint64_t flag) {
    auto joins = [&](const NamespacePath& n) { return n.type == flag; };
    return (l.new_namespaces & flag) != 0 ||
           std::any_of(l.namespace_paths.begin(), l.namespace_paths.end(), joins);
  };
  if (!has(CLONE_NEWUTS) && !(spec.hostname.empty() && spec.domainname.empty()))
    throw Error("hostname: wants a uts namespace");
  for (const auto& [name, value] : l.sysctl) {
    std::string place = fmt::format("linux.sysctl.{}: ", name);
    bool ipc = name.starts_with("kernel/shm") || name.starts_with("kernel/msg") ||
               name == "kernel/sem" || name.starts_with("fs/mqueue/");
    bool uts = name == "kernel/domainname" || name == "kernel/hostname";
    if (name.starts_with("net/")) {
      if (!has(CLONE_NEWNET)) throw Error(place + "wants a network namespace");
    } else if (ipc) {
      if (!has(CLONE_NEWIPC)) throw Error(place + "wants an ipc namespace");
    } else if (uts) {
      if (!has(CLONE_NEWUTS)) throw Error(place + "wants a uts namespace");
      if (name == "kernel/hostname" && !spec.hostname.empty() && value != spec.hostname)
        throw Error(place + "contradicts hostname");
      if (name == "kernel/domainname" && !spec.domainname.empty() && value != spec.domainname)
        throw Error(place + "contradicts domainname");
    } else {
      // Whatever is not of a namespace would be set for the whole machine.
      throw Error(place + "belongs to no namespace");
    }
  }
}

}  // namespace

Bundle load_bundle(const std::string& directory, const std::string& file) {
  Bundle b;
  b.directory = real_path(directory, "the bundle");
  b.config = read_file(below(b.directory, file), 8U << 20U);
  b.spec = parse_config(b.config);
  b.spec.root.path = real_path(below(b.directory, b.spec.root.path), "root.path");
  check_host(b.spec);
  check_namespaces(b.spec);
  open_namespaces(b);
  find_sources(b);
  make_device_nodes(b);
  label_mounts(b.spec);
  Fd root = open_file(b.spec.root.path, O_PATH | O_DIRECTORY);
  add_home(b.spec.process, root.get());
  return b;
}

void complete_bundle(Bundle& b, const ControlGroup& group, const std::string& filter_cache) {
  Linux& linux = b.spec.linux;
  linux.cgroup_procs = group.procs_to_join();
  auto is_cgroup = [](const Mount& m) { return m.type == "cgroup" || m.type == "cgroup2"; };
  std::vector<Mount> mounts;
  bool own = (linux.new_namespaces & CLONE_NEWCGROUP) != 0;
  for (Mount& m : b.spec.mounts) {
    if (!is_cgroup(m)) {
      mounts.push_back(std::move(m));
      continue;
    }
    auto hierarchies = parse_hierarchies(read_file("/proc/self/mountinfo"));
    auto expanded = cgroup_mounts(m, hierarchies, group, own);
    for (Mount& e : expanded) {
      if (e.type == "bind" && has_user_namespace(linux)) e.tree = open_tree(b, e, e.source);
      mounts.push_back(std::move(e));
    }
  }
  b.spec.mounts = std::move(mounts);
  if (!linux.seccomp_profile) return;
  CompiledFilter filter = compile_seccomp(*linux.seccomp_profile, filter_cache);
  linux.seccomp = std::move(filter.bytes);
  linux.seccomp_flags = filter.flags;
  linux.seccomp_notifies = filter.notifies;
}

void add_home(Process& process, int root) {
  auto is_home = [](const std::string& e) { return e.starts_with("HOME="); };
  auto at = std::find_if(process.env.begin(), process.env.end(), is_home);
  if (at != process.env.end() && *at != "HOME=") return;
  std::string home = "/";
  try {
    resolve_user_in(root, std::to_string(process.user.uid), &home);
  } catch (const Error&) {
    home = "/";  // a passwd that cannot be read says nothing
  }
  if (at != process.env.end()) process.env.erase(at);
  process.env.push_back("HOME=" + home);
}

}  // namespace pcompose::engine::runtime
