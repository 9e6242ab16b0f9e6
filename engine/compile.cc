// Descriptions become plans. Every order that matters has its reason beside it.
#include <algorithm>
#include <sched.h>

#include "engine/plan_parts.h"

namespace pcompose::engine {

using launch::Op;
using launch::OpCode;

namespace {

// Layers are shown by who owns their file system, and mounted by who may write to it; all that
// follows belongs to the container's own users.
void enter_own_users(Plan& plan, const ContainerSpec& spec) {
  plan.add(op(OpCode::private_mounts));
  if (!spec.root.mapped.empty()) {
    Op shown = op(OpCode::idmap);
    shown.s1 = plan.text(spec.root.mapped);
    shown.fd = plan.descriptor(spec.linux.user_namespace);
    plan.add(shown);
    add_root(plan, spec.root);
  }
  Op enter = op(OpCode::set_namespace);
  enter.fd = plan.descriptor(spec.linux.user_namespace);
  enter.arg = CLONE_NEWUSER;
  plan.add(enter);
  Op make = op(OpCode::new_namespace);
  make.arg = spec.linux.new_namespaces;
  plan.add(make);
}

}  // namespace

Plan prepare_plan(const ContainerSpec& spec) {
  const Linux& linux = spec.linux;
  bool own_users = linux.user_namespace >= 0;
  // The cgroup namespace is made after the cgroup was joined: its root is where the process is
  // then.
  uint64_t at_clone = linux.new_namespaces & ~static_cast<uint64_t>(CLONE_NEWCGROUP);
  for (const auto& [type, fd] : linux.namespaces) at_clone &= ~type;
  Plan plan(own_users ? CLONE_NEWNS : at_clone);
  add_cgroups(plan, linux);
  if (own_users) enter_own_users(plan, spec);
  for (const auto& [type, fd] : linux.namespaces) {
    Op join = op(OpCode::set_namespace);
    join.fd = plan.descriptor(fd);
    join.arg = type;
    plan.add(join);
  }
  if ((linux.new_namespaces & CLONE_NEWCGROUP) != 0 && !own_users) {
    Op o = op(OpCode::new_namespace);
    o.arg = CLONE_NEWCGROUP;
    plan.add(o);
  }
  if (linux.network_namespace >= 0) {
    Op o = op(OpCode::set_namespace);  // before sysfs is mounted, which shows the network namespace
                                       // of its mounter
    o.fd = plan.descriptor(linux.network_namespace);
    o.arg = CLONE_NEWNET;
    plan.add(o);
  }
  // A pid namespace is entered by children only (setns(2)), and /proc shows that of who mounts it.
  bool forks = own_users || std::ranges::any_of(linux.namespaces, [](const auto& n) {
                 return n.first == CLONE_NEWPID;
               });
  if (forks) plan.add(op(OpCode::fork_sibling));
  plan.add(op(OpCode::private_mounts));
  if (own_users) {
    // As who could reach it until now: the way there is closed to others.
    add_text(plan, OpCode::root_bind, spec.root.path);
    plan.add(op(OpCode::map_ids));
  } else {
    add_root(plan, spec.root);
  }
  for (const Mount& m : spec.mounts) add_mount(plan, m);
  if (linux.bind_devices) {
    bind_default_devices(plan);
    for (const Device& d : linux.devices)
      bind_device(plan, d.host_path.empty() ? d.path : d.host_path, d.path);
  } else {
    add_default_devices(plan);
    for (const Device& d : linux.devices) add_device(plan, d);
  }
  for (const auto& [name, value] : linux.sysctl) add_text(plan, OpCode::sysctl, name, value);
  for (const std::string& path : linux.readonly_paths) add_text(plan, OpCode::read_only, path);
  for (const std::string& path : linux.masked_paths)
    add_text(plan, OpCode::mask, path);  // needs /dev/null
  plan.add(op(OpCode::pivot));
  if (!spec.hostname.empty()) add_text(plan, OpCode::hostname, spec.hostname);
  if (!spec.domainname.empty()) add_text(plan, OpCode::domainname, spec.domainname);
  plan.add(op(OpCode::session));
  plan.add(op(OpCode::keyring));
  plan.add(op(OpCode::park));
  return plan;
}

Plan start_plan(const ContainerSpec& spec) {
  Plan plan;
  for (const Mount& m : spec.start_mounts) add_mount(plan, m);
  add_stdio(plan, spec.process);
  add_working_directory(plan,
                        spec.process);  // made where it is missing, so before the root is read-only
  if (spec.root.readonly) plan.add(op(OpCode::root_read_only));
  add_identity(plan, spec.process, spec.linux);
  add_exec(plan, spec.process);
  return plan;
}

Plan runtime_plan(const Process& program, const std::vector<std::string>& cgroup_procs,
                  const ContainerSpec* spec) {
  Plan plan(spec == nullptr ? 0 : CLONE_NEWNS);
  for (const std::string& procs : cgroup_procs) add_text(plan, OpCode::cgroup_join, procs);
  if (spec != nullptr) {
    plan.add(op(OpCode::private_mounts));
    add_root(plan, spec->root);
    for (const auto* mounts : {&spec->mounts, &spec->start_mounts}) {
      for (const Mount& m : *mounts) {
        if (m.type == "bind") add_mount(plan, m);
      }
    }
  }
  plan.add(op(OpCode::session));
  add_stdio(plan, program);
  add_exec(plan, program);
  return plan;
}

Plan exec_plan(const Process& process, const Entry& into, const Linux& linux) {
  Plan plan;
  add_cgroups(plan, linux);
  Op enter = op(OpCode::set_namespace);
  enter.fd = plan.descriptor(into.pidfd);
  enter.arg = into.namespaces;
  plan.add(enter);
  if ((into.namespaces & CLONE_NEWUSER) != 0) plan.add(op(OpCode::map_ids));
  Op enter_root = op(OpCode::enter_root);
  enter_root.fd = plan.descriptor(into.root);
  plan.add(enter_root);
  plan.add(op(OpCode::fork_sibling));  // a pid namespace is entered by children only: setns(2)
  plan.add(op(OpCode::session));
  plan.add(op(OpCode::keyring));
  add_stdio(plan, process);
  add_working_directory(plan, process);
  add_identity(plan, process, linux);
  add_exec(plan, process);
  return plan;
}

}  // namespace pcompose::engine
