// Pieces of plans. Every order that matters has its reason beside it.
#include "engine/plan_parts.h"

#include <algorithm>
#include <linux/filter.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace pcompose::engine {
using launch::Op;
using launch::OpCode;

namespace {

struct SchedulerAttributes {  // struct sched_attr of linux/sched/types.h, which clashes with
                              // glibc's
  uint32_t size = 48;
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0, deadline = 0, period = 0;
};
static_assert(sizeof(SchedulerAttributes) == 48);

}  // namespace

Op op(OpCode code) {
  Op o;
  o.code = code;
  return o;
}

void add_text(Plan& plan, OpCode code, const std::string& s1, const std::string& s2) {
  Op o = op(code);
  o.s1 = plan.text(s1);
  o.s2 = plan.text(s2);
  plan.add(o);
}

namespace {

void add_bind(Plan& plan, const Mount& m) {
  Op o = op(OpCode::bind);
  o.fd = plan.descriptor(m.tree);
  o.s1 = m.tree < 0 ? plan.text(m.source) : 0;
  o.s2 = plan.text(m.destination);
  o.arg = m.attributes;
  o.arg2 = m.attributes_cleared;
  o.a = (m.recursive ? launch::kBindRecursive : 0) | (m.top_only ? launch::kBindTopOnly : 0) |
        (m.is_file ? launch::kBindMakeFile : launch::kBindMakeDirectory);
  if (!m.all_propagation) o.b = static_cast<int32_t>(m.propagation);
  if (m.user_namespace >= 0) {
    o.a |= launch::kBindIdmap | (m.maps_all ? launch::kBindIdmapRecursive : 0);
    o.c = plan.descriptor(m.user_namespace);
  }
  plan.add(o);
}

void add_attributes(Plan& plan, uint64_t set, uint64_t clear, uint64_t propagation, int32_t how) {
  if (set == 0 && clear == 0 && propagation == 0) return;
  Op o = op(OpCode::mount_attributes);
  o.arg = set;
  o.arg2 = clear;
  o.b = static_cast<int32_t>(propagation);
  o.a = how;
  plan.add(o);
}

}  // namespace

void add_mount(Plan& plan, const Mount& m) {
  bool is_bind = m.type == "bind";
  if (is_bind) {
    add_bind(plan, m);
  } else {
    Op o = op(OpCode::mount_fs);
    o.s1 = plan.texts({m.type, m.source.empty() ? m.type : m.source});
    o.s2 = plan.text(m.destination);
    o.s3 = plan.text(m.data);
    o.arg = m.flags;
    o.a = m.copy_up ? launch::kMountCopyUp : 0;
    plan.add(o);
    // mount(2) knows no propagation together with a new file system.
    if (!m.all_propagation) add_attributes(plan, 0, 0, m.propagation, 0);
  }
  add_attributes(plan, m.all_attributes, m.all_attributes_cleared,
                 m.all_propagation ? m.propagation : 0, launch::kBindRecursive);
}

void add_root(Plan& plan, const Root& root) {
  if (root.tree >= 0) {
    Op o = op(OpCode::root_tree);
    o.fd = plan.descriptor(root.tree);
    o.s1 = plan.text(root.path);
    return plan.add(o);
  }
  if (root.lower.empty()) return add_text(plan, OpCode::root_bind, root.path);
  Op o = op(OpCode::overlay);
  o.s1 = plan.text(root.links);
  auto lower = root.lower;
  if (!root.mount_points.empty()) lower.push_back(root.mount_points);
  o.s2 = plan.text(fmt::format("lowerdir={},upperdir={},workdir={}", fmt::join(lower, ":"),
                               root.upper, root.work));
  o.s3 = plan.text(root.path);
  o.a = static_cast<int32_t>(root.uid);
  o.b = static_cast<int32_t>(root.gid);
  plan.add(o);
}

struct Node {
  const char* path;
  unsigned major, minor;
};
constexpr Node kNodes[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                           {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

void add_default_devices(Plan& plan) {
  for (const Node& n : kNodes) {
    Op o = op(OpCode::make_node);
    o.s1 = plan.text(n.path);
    o.a = S_IFCHR | 0666;
    o.arg = makedev(n.major, n.minor);
    plan.add(o);
  }
  add_default_links(plan);
}

void bind_device(Plan& plan, const std::string& host_path, const std::string& path, int tree) {
  Mount m;
  m.type = "bind";
  m.source = host_path;
  m.tree = tree;
  m.destination = path;
  m.is_file = true;
  m.recursive = false;
  m.attributes = launch::kAttrNoSuid | launch::kAttrNoExec;
  add_mount(plan, m);
}

void bind_default_devices(Plan& plan) {
  for (const Node& n : kNodes) bind_device(plan, n.path, n.path);
  add_default_links(plan);
}

bool is_default_device(const std::string& path) {
  return path == "/dev/ptmx" ||
         std::ranges::any_of(kNodes, [&](const Node& n) { return path == n.path; });
}

void add_device(Plan& plan, const Device& d) {
  Op o = op(OpCode::make_node);
  o.s1 = plan.text(d.path);
  o.a = static_cast<int32_t>((d.type == 'b'   ? S_IFBLK
                              : d.type == 'p' ? S_IFIFO
                                              : S_IFCHR) |
                             d.mode);
  o.b = static_cast<int32_t>(d.uid);
  o.c = static_cast<int32_t>(d.gid);
  o.arg = d.type == 'p' ? 0 : makedev(d.major, d.minor);
  plan.add(o);
}

void add_default_links(Plan& plan) {
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
    o.a = launch::kPtyOwned;  // so that the user may open it again by its name
    o.b = static_cast<int32_t>(p.user.uid);
  } else {
    o.a = plan.descriptor(p.stdio[0]);
    o.b = plan.descriptor(p.stdio[1]);
    o.c = plan.descriptor(p.stdio[2]);
  }
  plan.add(o);
}

namespace {

void add_filter(Plan& plan, const Linux& linux) {
  if (linux.seccomp.empty()) return;
  Op o = op(OpCode::seccomp);
  o.s1 = plan.blob(linux.seccomp.data(), linux.seccomp.size());
  o.a = static_cast<int32_t>(linux.seccomp.size() / sizeof(sock_filter));
  o.b = static_cast<int32_t>(linux.seccomp_flags);
  o.c = linux.seccomp_notifies ? launch::kSeccompNotify : 0;
  plan.add(o);
}

void add_limits(Plan& plan, const Process& p) {
  for (const Rlimit& limit : p.rlimits) {
    Op o = op(OpCode::limit);
    o.a = limit.type;
    o.arg = limit.soft;
    o.arg2 = limit.hard;
    plan.add(o);
  }
  if (p.oom_score_adj)
    add_text(plan, OpCode::self_file, "oom_score_adj", std::to_string(*p.oom_score_adj));
}

void add_affinity(Plan& plan, const std::string& bits) {
  if (bits.empty()) return;
  Op o = op(OpCode::affinity);
  o.s1 = plan.blob(bits.data(), bits.size());
  o.a = static_cast<int32_t>(bits.size());
  plan.add(o);
}

void add_scheduling(Plan& plan, const Process& p) {
  if (p.scheduler) {
    SchedulerAttributes attributes;
    attributes.policy = p.scheduler->policy;
    attributes.flags = p.scheduler->flags;
    attributes.nice = p.scheduler->nice;
    attributes.priority = p.scheduler->priority;
    attributes.runtime = p.scheduler->runtime;
    attributes.deadline = p.scheduler->deadline;
    attributes.period = p.scheduler->period;
    Op o = op(OpCode::scheduler);
    o.s1 = plan.blob(&attributes, sizeof attributes);
    o.a = sizeof attributes;
    plan.add(o);
  }
  if (p.io_priority) {
    Op o = op(OpCode::io_priority);
    o.a = p.io_priority->io_class << 13 | p.io_priority->priority;  // IOPRIO_PRIO_VALUE
    plan.add(o);
  }
  add_affinity(plan, p.final_affinity);
}

// Before the capabilities go and the user changes: the kernel asks for CAP_MAC_ADMIN of some.
void add_labels(Plan& plan, const Process& p) {
  if (!p.apparmor_profile.empty())
    add_text(plan, OpCode::self_file, "attr/apparmor/exec", "exec " + p.apparmor_profile);
  if (!p.selinux_label.empty()) add_text(plan, OpCode::self_file, "attr/exec", p.selinux_label);
}

void add_capabilities(Plan& plan, const Capabilities& c) {
  launch::CapabilitySets sets{c.effective, c.permitted, c.inheritable, c.ambient};
  Op o = op(OpCode::capabilities);
  o.s1 = plan.blob(&sets, sizeof sets);
  plan.add(o);
}

}  // namespace

// From all capabilities to what the program gets.
void add_identity(Plan& plan, const Process& p, const Linux& linux) {
  add_limits(plan, p);
  add_scheduling(plan, p);
  add_labels(plan, p);
  Op mask = op(OpCode::umask);
  mask.a = static_cast<int32_t>(p.umask.value_or(022));
  plan.add(mask);
  if (linux.memory_policy) {
    Op o = op(OpCode::memory_policy);
    o.a = linux.memory_policy->mode;
    o.s1 = plan.blob(linux.memory_policy->nodes.data(), linux.memory_policy->nodes.size());
    o.b = static_cast<int32_t>(linux.memory_policy->nodes.size());
    plan.add(o);
  }
  if (linux.personality) {
    Op o = op(OpCode::personality);
    o.arg = *linux.personality;
    plan.add(o);
  }
  Op bounding = op(OpCode::bounding);  // needs CAP_SETPCAP: before capabilities go
  bounding.arg = p.capabilities.bounding;
  plan.add(bounding);
  Op user = op(OpCode::user);
  user.a = static_cast<int32_t>(p.user.uid);
  user.b = static_cast<int32_t>(p.user.gid);
  user.c = static_cast<int32_t>(p.user.additional_gids.size());
  user.arg = p.user.keep_groups ? 1 : 0;
  user.s1 =
      plan.blob(p.user.additional_gids.data(), p.user.additional_gids.size() * sizeof(uint32_t));
  plan.add(user);
  // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it goes in before the capabilities go;
  // with it the filter comes last, so that it need not allow what set-up does.
  if (!p.no_new_privileges) add_filter(plan, linux);
  add_capabilities(plan, p.capabilities);
  if (!p.no_new_privileges) return;
  plan.add(op(OpCode::no_new_privs));
  add_filter(plan, linux);
}

std::string search_path(const Process& p) {
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& e : p.env) {
    if (e.starts_with("PATH=")) path = e.substr(5);
  }
  return path;
}

void add_exec(Plan& plan, const Process& p) {
  Op o = op(OpCode::exec);
  std::vector<std::string> words = {p.program.empty() && !p.args.empty() ? p.args[0] : p.program};
  words.insert(words.end(), p.args.begin(), p.args.end());
  o.s1 = plan.texts(words);
  o.a = static_cast<int32_t>(p.args.size());
  o.s2 = plan.texts(p.env);
  o.b = static_cast<int32_t>(p.env.size());
  o.s3 = plan.text(search_path(p));
  plan.add(o);
}

void add_working_directory(Plan& plan, const Process& p) {
  add_text(plan, OpCode::working_directory, p.cwd.empty() ? "/" : p.cwd);
}

}  // namespace pcompose::engine
