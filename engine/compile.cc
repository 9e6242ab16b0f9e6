// Descriptions become plans. Every order that matters has its reason beside it.
#include <linux/filter.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/launch/kernel_abi.h"
#include "engine/plan.h"

namespace pcompose::engine {
namespace {

using launch::Op;
using launch::OpCode;

Op op(OpCode code) {
  Op o;
  o.code = code;
  return o;
}

void add_text(Plan& plan, OpCode code, const std::string& s1, const std::string& s2 = "") {
  Op o = op(code);
  o.s1 = plan.text(s1);
  o.s2 = plan.text(s2);
  plan.add(o);
}

void add_mount(Plan& plan, const Mount& m) {
  Op o = op(m.type == "bind" ? OpCode::bind : OpCode::mount_fs);
  if (m.type == "bind") {
    o.fd = plan.descriptor(m.tree);
    o.s1 = m.tree < 0 ? plan.text(m.source) : 0;
    o.arg = m.attributes;
    o.a = (m.recursive ? launch::kBindRecursive : 0) |
          (m.is_file ? launch::kBindMakeFile : launch::kBindMakeDirectory);
    o.b = static_cast<int32_t>(m.propagation);
  } else {
    o.s1 = plan.text(m.type);
    o.s3 = plan.text(m.data);
    o.arg = m.flags;
  }
  o.s2 = plan.text(m.destination);
  plan.add(o);
}

void add_root(Plan& plan, const Root& root) {
  if (root.lower.empty()) return add_text(plan, OpCode::root_bind, root.path);
  Op o = op(OpCode::overlay);
  o.s1 = plan.text(root.links);
  o.s2 = plan.text(fmt::format("lowerdir={},upperdir={},workdir={}", fmt::join(root.lower, ":"),
                               root.upper, root.work));
  o.s3 = plan.text(root.path);
  plan.add(o);
}

void add_devices(Plan& plan) {
  struct Node {
    const char* path;
    unsigned major, minor;
  };
  for (Node n : {Node{"/dev/null", 1, 3},
                 {"/dev/zero", 1, 5},
                 {"/dev/full", 1, 7},
                 {"/dev/random", 1, 8},
                 {"/dev/urandom", 1, 9},
                 {"/dev/tty", 5, 0}}) {
    Op o = op(OpCode::make_node);
    o.s1 = plan.text(n.path);
    o.a = S_IFCHR | 0666;
    o.arg = makedev(n.major, n.minor);
    plan.add(o);
  }
  add_text(plan, OpCode::make_link, "/proc/self/fd", "/dev/fd");
  add_text(plan, OpCode::make_link, "/proc/self/fd/0", "/dev/stdin");
  add_text(plan, OpCode::make_link, "/proc/self/fd/1", "/dev/stdout");
  add_text(plan, OpCode::make_link, "/proc/self/fd/2", "/dev/stderr");
  add_text(plan, OpCode::make_link, "pts/ptmx", "/dev/ptmx");
}

void add_cgroups(Plan& plan, const Linux& linux) {
  for (const std::string& procs : linux.cgroup_procs) add_text(plan, OpCode::cgroup_join, procs);
}

void add_stdio(Plan& plan, const Process& p) {
  Op o = op(p.terminal ? OpCode::pty : OpCode::stdio);
  if (p.terminal) {
    o.arg = static_cast<uint64_t>(p.rows) << 16U | p.columns;
  } else {
    o.a = plan.descriptor(p.stdio[0]);
    o.b = plan.descriptor(p.stdio[1]);
    o.c = plan.descriptor(p.stdio[2]);
  }
  plan.add(o);
}

void add_filter(Plan& plan, const std::string& filter) {
  if (filter.empty()) return;
  Op o = op(OpCode::seccomp);
  o.s1 = plan.blob(filter.data(), filter.size());
  o.a = static_cast<int32_t>(filter.size() / sizeof(sock_filter));
  plan.add(o);
}

// Identity and filter, from all capabilities to what the program gets.
void add_identity(Plan& plan, const Process& p, const std::string& filter) {
  for (const Rlimit& limit : p.rlimits) {
    Op o = op(OpCode::limit);
    o.a = limit.type;
    o.arg = limit.soft;
    o.arg2 = limit.hard;
    plan.add(o);
  }
  if (p.oom_score_adj) add_text(plan, OpCode::oom_score, std::to_string(*p.oom_score_adj));
  Op mask = op(OpCode::umask);
  mask.a = static_cast<int32_t>(p.umask.value_or(022));
  plan.add(mask);
  Op bounding = op(OpCode::bounding);  // needs CAP_SETPCAP: before capabilities go
  bounding.arg = p.capabilities.bounding;
  plan.add(bounding);
  Op user = op(OpCode::user);
  user.a = static_cast<int32_t>(p.user.uid);
  user.b = static_cast<int32_t>(p.user.gid);
  user.c = static_cast<int32_t>(p.user.additional_gids.size());
  user.s1 =
      plan.blob(p.user.additional_gids.data(), p.user.additional_gids.size() * sizeof(uint32_t));
  plan.add(user);
  // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it goes in before the capabilities go;
  // with it the filter comes last, so that it need not allow what set-up does.
  if (!p.no_new_privileges) add_filter(plan, filter);
  Op capabilities = op(OpCode::capabilities);
  capabilities.arg = p.capabilities.effective;
  capabilities.arg2 = p.capabilities.inheritable;
  plan.add(capabilities);
  if (!p.no_new_privileges) return;
  plan.add(op(OpCode::no_new_privs));
  add_filter(plan, filter);
}

void add_exec(Plan& plan, const Process& p) {
  Op o = op(OpCode::exec);
  o.s1 = plan.texts(p.args);
  o.a = static_cast<int32_t>(p.args.size());
  o.s2 = plan.texts(p.env);
  o.b = static_cast<int32_t>(p.env.size());
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& e : p.env) {
    if (e.starts_with("PATH=")) path = e.substr(5);
  }
  o.s3 = plan.text(path);
  plan.add(o);
}

void add_working_directory(Plan& plan, const Process& p) {
  add_text(plan, OpCode::working_directory, p.cwd.empty() ? "/" : p.cwd);
}

}  // namespace

Plan prepare_plan(const ContainerSpec& spec) {
  const Linux& linux = spec.linux;
  // The cgroup namespace is made after the cgroup was joined: its root is where the process is
  // then.
  uint64_t at_clone = linux.new_namespaces & ~static_cast<uint64_t>(CLONE_NEWCGROUP);
  Plan plan(at_clone);
  add_cgroups(plan, linux);
  if ((linux.new_namespaces & CLONE_NEWCGROUP) != 0) {
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
  plan.add(op(OpCode::private_mounts));
  add_root(plan, spec.root);
  for (const Mount& m : spec.mounts) add_mount(plan, m);
  add_devices(plan);
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
  add_identity(plan, spec.process, spec.linux.seccomp);
  add_exec(plan, spec.process);
  return plan;
}

Plan exec_plan(const Process& process, int pidfd, int root, const Linux& linux) {
  Plan plan;
  add_cgroups(plan, linux);
  Op enter = op(OpCode::set_namespace);
  enter.fd = plan.descriptor(pidfd);
  enter.arg =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  plan.add(enter);
  Op enter_root = op(OpCode::enter_root);
  enter_root.fd = plan.descriptor(root);
  plan.add(enter_root);
  plan.add(op(OpCode::fork_sibling));  // a pid namespace is entered by children only: setns(2)
  plan.add(op(OpCode::session));
  plan.add(op(OpCode::keyring));
  add_stdio(plan, process);
  add_working_directory(plan, process);
  add_identity(plan, process, linux.seccomp);
  add_exec(plan, process);
  return plan;
}

}  // namespace pcompose::engine
