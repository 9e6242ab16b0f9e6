#include "engine/runtime/bundle_plan.h"

#include <algorithm>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "engine/plan_parts.h"

namespace pcompose::engine::runtime {
namespace {

using launch::Op;
using launch::OpCode;

// How the namespaces are come by. One clone makes all that are new, unless something has to happen
// in between.
struct Namespaces {
  uint64_t at_clone = 0;
  uint64_t by_unshare = 0;
  bool makes_user = false;
  bool user_by_unshare = false;
  bool forks = false;
};

Namespaces arrange(const Linux& linux) {
  Namespaces n;
  uint64_t fresh = linux.new_namespaces;
  auto joins = [&](uint64_t flag) {
    return std::any_of(linux.namespaces.begin(), linux.namespaces.end(),
                       [&](const auto& p) { return (p.first & flag) != 0; });
  };
  n.makes_user = (fresh & CLONE_NEWUSER) != 0;
  // A pid and a time namespace are entered by children only (setns(2), time_namespaces(7)).
  n.forks =
      joins(CLONE_NEWPID) || joins(launch::kCloneNewTime) || (fresh & launch::kCloneNewTime) != 0;
  // Others' namespaces may belong to the user namespace we leave, so they are entered before ours
  // is made; and new ones must belong to the one that is joined.
  bool late = (n.makes_user && !linux.namespaces.empty()) || joins(CLONE_NEWUSER);
  uint64_t later = CLONE_NEWCGROUP | launch::kCloneNewTime;
  if (n.forks) later |= CLONE_NEWPID;  // or the first child would be its init, and end with it
  n.at_clone = late ? 0 : fresh & ~later;
  n.by_unshare = fresh & ~n.at_clone & ~static_cast<uint64_t>(CLONE_NEWUSER);
  n.user_by_unshare = late && n.makes_user;
  return n;
}

void add_new_namespace(Plan& plan, uint64_t flags) {
  if (flags == 0) return;
  Op o = op(OpCode::new_namespace);
  o.arg = flags;
  plan.add(o);
}

void add_joins(Plan& plan, const Linux& linux, int32_t which) {
  for (const auto& [type, fd] : linux.namespaces) {
    if (type == CLONE_NEWUSER) continue;
    Op o = op(OpCode::set_namespace);
    o.fd = plan.descriptor(fd);
    o.arg = type;
    o.a = which;
    plan.add(o);
  }
}

void add_wait(Plan& plan, int32_t stage) {
  Op o = op(OpCode::wait);
  o.a = stage;
  plan.add(o);
}

void add_user_namespace(Plan& plan, const Linux& linux, const Namespaces& n) {
  for (const auto& [type, fd] : linux.namespaces) {
    if (type != CLONE_NEWUSER) continue;
    Op o = op(OpCode::set_namespace);
    o.fd = plan.descriptor(fd);
    o.arg = CLONE_NEWUSER;
    plan.add(o);
    plan.add(op(OpCode::map_ids));
  }
  if (!n.makes_user) return;
  if (n.user_by_unshare) add_new_namespace(plan, CLONE_NEWUSER);
  add_wait(plan, launch::kStageMapIds);
  plan.add(op(OpCode::map_ids));
  plan.add(op(OpCode::undumpable));
}

void add_namespaces(Plan& plan, const Linux& linux, const Namespaces& n) {
  bool user = n.makes_user || std::any_of(linux.namespaces.begin(), linux.namespaces.end(),
                                          [](const auto& p) { return p.first == CLONE_NEWUSER; });
  if (!linux.namespaces.empty()) add_joins(plan, linux, user ? launch::kJoinFirstTry : 0);
  add_user_namespace(plan, linux, n);
  if (user && !linux.namespaces.empty()) add_joins(plan, linux, launch::kJoinSecondTry);
  // The cgroup namespace's root is where the process is when it is made: after the groups.
  add_new_namespace(plan, n.by_unshare);
  if (!linux.time_offsets.empty())
    add_text(plan, OpCode::self_file, "timens_offsets", time_offsets_text(linux.time_offsets));
  if (n.forks) plan.add(op(OpCode::fork_sibling));
}

void add_propagation(Plan& plan, const std::string& path, uint64_t flags) {
  Op o = op(OpCode::propagation);
  o.s1 = plan.text(path);
  o.arg = flags;
  plan.add(o);
}

// What the host sees of our mounts: nothing, unless the root is to be shared.
void add_host_propagation(Plan& plan, const ContainerSpec& spec, const BundleOptions& options) {
  uint64_t wanted = spec.linux.rootfs_propagation & ~static_cast<uint64_t>(MS_REC);
  if (wanted == MS_SHARED) {
    add_propagation(plan, "", MS_REC | MS_SHARED);
    // pivot_root(2) wants the mount above the root private, and what is bound there must not show
    // up on the host.
    if (!options.root_parent_mount.empty())
      add_propagation(plan, options.root_parent_mount, MS_PRIVATE);
    return;
  }
  add_propagation(plan, "", MS_REC | (wanted == MS_SLAVE || wanted == 0 ? MS_SLAVE : MS_PRIVATE));
}

bool has_host_dev(const ContainerSpec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const Mount& m) {
    return m.type == "bind" && (m.destination == "/dev" || m.destination == "/dev/");
  });
}

void add_devices(Plan& plan, const ContainerSpec& spec) {
  // A user namespace may not make nodes that work (mknod(2)): those of the host are bound.
  bool binds = (spec.linux.new_namespaces & CLONE_NEWUSER) != 0 ||
               std::any_of(spec.linux.namespaces.begin(), spec.linux.namespaces.end(),
                           [](const auto& p) { return p.first == CLONE_NEWUSER; });
  if (!has_host_dev(spec)) {
    if (binds) {
      bind_default_devices(plan);
    } else {
      add_default_devices(plan);
    }
  }
  for (const Device& d : spec.linux.devices) {
    if (is_default_device(d.path) && !has_host_dev(spec)) continue;
    if (binds && d.type != 'p') {
      bind_device(plan, d.path, d.path, d.tree);
    } else {
      add_device(plan, d);
    }
  }
}

void add_file_system(Plan& plan, const ContainerSpec& spec, const BundleOptions& options) {
  const Linux& linux = spec.linux;
  add_host_propagation(plan, spec, options);
  add_root(plan, spec.root);
  for (const Mount& m : spec.mounts) add_mount(plan, m);
  add_devices(plan, spec);
  // After createRuntime and createContainer hooks, which may mount beneath the root, comes what
  // protects; before them nothing of the container is hidden from them.
  if (spec.hooks.before_the_root_is_entered()) add_wait(plan, launch::kStageHooks);
  for (const auto& [name, value] : linux.sysctl) add_text(plan, OpCode::sysctl, name, value);
  for (const std::string& path : linux.readonly_paths) add_text(plan, OpCode::read_only, path);
  for (const std::string& path : linux.masked_paths)
    add_text(plan, OpCode::mask, path);  // needs /dev/null
  Op pivot = op(OpCode::pivot);
  pivot.a = options.pivot == Pivot::move ? launch::kPivotMove : 0;
  plan.add(pivot);
  uint64_t wanted = linux.rootfs_propagation;
  if (wanted != 0) add_propagation(plan, "", wanted);
}

void add_plain_root(Plan& plan, const ContainerSpec& spec) {
  add_text(plan, OpCode::root_plain, spec.root.path);
  if (spec.hooks.before_the_root_is_entered()) add_wait(plan, launch::kStageHooks);
  Op pivot = op(OpCode::pivot);
  pivot.a = launch::kPivotChroot;
  plan.add(pivot);
}

bool has_mount_namespace(const Linux& linux) {
  return (linux.new_namespaces & CLONE_NEWNS) != 0 ||
         std::any_of(linux.namespaces.begin(), linux.namespaces.end(),
                     [](const auto& p) { return p.first == CLONE_NEWNS; });
}

void add_terminal(Plan& plan, const Process& p, bool console) {
  Op o = op(OpCode::pty);
  o.arg = static_cast<uint64_t>(p.rows) << 16U | p.columns;
  o.a = launch::kPtyOwned | (console ? launch::kPtyConsole : 0);
  o.b = static_cast<int32_t>(p.user.uid);
  plan.add(o);
}

void add_own_stdio(Plan& plan, const Process& p) {
  Op o = op(OpCode::own_stdio);
  o.a = static_cast<int32_t>(p.user.uid);
  o.b = static_cast<int32_t>(p.user.gid);
  plan.add(o);
}

void add_preserved(Plan& plan, const std::vector<int>& descriptors) {
  for (int fd : descriptors) {
    Op o = op(OpCode::inherit);
    o.fd = plan.descriptor(fd);
    plan.add(o);
  }
}

}  // namespace

std::string time_offsets_text(const std::vector<TimeOffset>& offsets) {
  std::string out;
  for (const TimeOffset& o : offsets)
    out += fmt::format("{} {} {}\n", o.clock, o.seconds, o.nanoseconds);
  return out;
}

std::vector<Mount> cgroup_mounts(const Mount& mount, const std::vector<Hierarchy>& hierarchies,
                                 const ControlGroup& group, bool own_namespace) {
  std::vector<Mount> out;
  auto one = [&](const Hierarchy& h, const std::string& where) {
    Mount m = mount;
    m.destination = where;
    m.data.clear();
    m.source = "cgroup";
    m.type = h.v2 ? "cgroup2" : "cgroup";
    for (const std::string& c : h.controllers) m.data += (m.data.empty() ? "" : ",") + c;
    if (!own_namespace) {
      // Without a namespace of its own the container sees its group by a bind of it.
      m.type = "bind";
      for (const GroupDirectory& d : group.directories()) {
        if (d.path.starts_with(h.mount + "/")) m.source = d.path;
      }
      if (m.source == "cgroup") return;
      m.data.clear();
    }
    out.push_back(std::move(m));
  };
  bool v2_alone = hierarchies.size() == 1 && hierarchies.front().v2;
  if (v2_alone) {
    one(hierarchies.front(), mount.destination);
    return out;
  }
  Mount tmpfs;
  tmpfs.type = tmpfs.source = "tmpfs";
  tmpfs.destination = mount.destination;
  tmpfs.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  tmpfs.data = "mode=755,size=1m";
  tmpfs.recursive = false;
  out.push_back(tmpfs);
  for (const Hierarchy& h : hierarchies)
    one(h, mount.destination + "/" + h.mount.substr(h.mount.rfind('/') + 1));
  return out;
}

Plan bundle_plan(const ContainerSpec& spec, const BundleOptions& options) {
  Namespaces n = arrange(spec.linux);
  Plan plan(n.at_clone);
  if (n.makes_user) plan.stay_dumpable();
  if (!options.joins_by_parent) add_cgroups(plan, spec.linux);
  add_namespaces(plan, spec.linux, n);
  if ((spec.linux.new_namespaces & CLONE_NEWNET) != 0) plan.add(op(OpCode::loopback_up));
  // Before the hooks, which may configure them.
  if (!spec.linux.net_devices.empty()) add_wait(plan, launch::kStageNetDevices);
  if (has_mount_namespace(spec.linux)) {
    add_file_system(plan, spec, options);
  } else {
    add_plain_root(plan, spec);
  }
  if (!spec.hostname.empty()) add_text(plan, OpCode::hostname, spec.hostname);
  if (!spec.domainname.empty()) add_text(plan, OpCode::domainname, spec.domainname);
  plan.add(op(OpCode::session));
  plan.add(op(OpCode::keyring));
  if (spec.process.terminal) {
    add_terminal(plan, spec.process, true);
  } else {
    add_own_stdio(plan, spec.process);
  }
  add_working_directory(plan, spec.process);  // made where it is missing: before read-only
  if (spec.root.readonly && has_mount_namespace(spec.linux)) plan.add(op(OpCode::root_read_only));
  if (!spec.process.args.empty()) {
    Op find = op(OpCode::find_program);
    find.s1 = plan.text(spec.process.args[0]);
    find.s3 = plan.text(search_path(spec.process));
    plan.add(find);
  }
  add_preserved(plan, options.preserved);
  Op park = op(OpCode::park);
  park.fd = plan.descriptor(options.listener);
  plan.add(park);
  add_identity(plan, spec.process, spec.linux);
  add_exec(plan, spec.process);
  return plan;
}

Plan entry_plan(const Process& process, const Linux& linux, const EntryOptions& options) {
  Plan plan;
  add_cgroups(plan, linux);
  Op enter = op(OpCode::set_namespace);
  enter.fd = plan.descriptor(options.pidfd);
  enter.arg = options.namespaces;
  if (options.namespaces != 0) plan.add(enter);
  if (options.enters_user_namespace) plan.add(op(OpCode::map_ids));
  if (options.root >= 0) {
    Op root = op(OpCode::enter_root);
    root.fd = plan.descriptor(options.root);
    plan.add(root);
  }
  plan.add(op(OpCode::fork_sibling));  // a pid namespace is entered by children only: setns(2)
  plan.add(op(OpCode::session));
  if (process.terminal) {
    add_terminal(plan, process, false);
  } else if (process.stdio[0] >= 0) {
    add_stdio(plan, process);
  } else {
    add_own_stdio(plan, process);
  }
  Op directory = op(OpCode::working_directory);
  directory.s1 = plan.text(process.cwd);
  directory.a = launch::kMustExist;
  plan.add(directory);
  add_preserved(plan, options.preserved);
  add_identity(plan, process, linux);
  add_exec(plan, process);
  return plan;
}

}  // namespace pcompose::engine::runtime
