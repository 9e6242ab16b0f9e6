#include "engine/runtime/entry.h"

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/runtime/bundle.h"
#include "engine/runtime/bundle_plan.h"
#include "engine/runtime/config.h"
#include "engine/runtime/console.h"
#include "engine/runtime/launcher.h"
#include "engine/runtime/listener.h"
#include "engine/runtime/names.h"
#include "engine/runtime/seccomp_profile.h"
#include "engine/user.h"

namespace pcompose::engine::runtime {
namespace {

CapabilitySet named_capabilities(const std::vector<std::string>& names) {
  CapabilitySet set = 0;
  for (const std::string& name : names) {
    auto number = capability_number(name);
    if (!number) throw Error(fmt::format("--cap {}: is not known", name));
    set |= CapabilitySet{1} << *number;
  }
  return set;
}

void add_capabilities(Capabilities& c, CapabilitySet set) {
  c.bounding |= set;
  c.effective |= set;
  c.permitted |= set;
}

void set_variable(std::vector<std::string>& env, const std::string& assignment) {
  std::string name = assignment.substr(0, assignment.find('=') + 1);
  std::erase_if(env, [&](const std::string& e) { return !name.empty() && e.starts_with(name); });
  env.push_back(assignment);
}

// The container's own process, changed by the command line.
Process process_from_options(const ExecOptions& o, const Process& of_container, int root) {
  Process p = of_container;
  p.args = o.args;
  p.terminal = o.terminal;
  p.rows = p.columns = 0;
  p.scheduler.reset();
  p.oom_score_adj.reset();
  if (!o.cwd.empty()) p.cwd = o.cwd;
  if (!o.user.empty()) {
    auto umask = p.umask;
    p.user = resolve_user_in(root, o.user);
    p.umask = umask;
    // HOME is the other user's.
    std::erase_if(p.env, [](const std::string& e) { return e.starts_with("HOME="); });
  }
  for (uint32_t group : o.groups) p.user.additional_gids.push_back(group);
  for (const std::string& assignment : o.env) set_variable(p.env, assignment);
  add_capabilities(p.capabilities, named_capabilities(o.capabilities));
  if (o.no_new_privileges) p.no_new_privileges = *o.no_new_privileges;
  if (!o.apparmor_profile.empty()) p.apparmor_profile = o.apparmor_profile;
  if (!o.selinux_label.empty()) p.selinux_label = o.selinux_label;
  return p;
}

Process process_for(const ExecOptions& o, const ContainerSpec& spec, int root) {
  Process p = o.process_file.empty() ? process_from_options(o, spec.process, root)
                                     : parse_process_document(read_file(o.process_file));
  if (p.args.empty()) throw Error("there is no program to execute");
  if (o.terminal) p.terminal = true;
  // Not the container's own: a process that comes later has its own.
  if (p.initial_affinity.empty()) p.initial_affinity = spec.process.initial_affinity;
  if (p.final_affinity.empty()) p.final_affinity = spec.process.final_affinity;
  add_home(p, root);
  return p;
}

// The group `name` beneath the container's in one hierarchy; empty where there is none.
Fd sub_group_of(const GroupDirectory& directory, const std::string& name) {
  Fd group = open_file(directory.path, O_PATH | O_DIRECTORY);
  try {
    return open_within(group.get(), name, O_RDONLY | O_DIRECTORY, Resolve::beneath);
  } catch (const Error& e) {
    if (e.error_number() != ENOENT) throw;
    return {};
  }
}

// Where `--cgroup` leads: the group of that name in each hierarchy that has it, the container's own
// in the others.
struct Groups {
  std::vector<std::string> procs;  // of v1
  Fd v2;
};

Groups sub_groups_of(const ContainerRecord& record, const std::string& name) {
  if (("/" + name + "/").find("/../") != std::string::npos)
    throw Error(fmt::format("--cgroup {}: `..` components are not allowed", name));
  Groups groups;
  bool found = false;
  for (const GroupDirectory& d : record.group.directories()) {
    Fd group = sub_group_of(d, name);
    found = found || group;
    if (d.v2) {
      groups.v2 = group ? std::move(group) : open_file(d.path, O_RDONLY | O_DIRECTORY);
    } else {
      groups.procs.push_back(fmt::format("{}{}/cgroup.procs", d.path, group ? "/" + name : ""));
    }
  }
  if (!found)
    throw Error(fmt::format("--cgroup {}: the container has no such group", name), ENOENT);
  return groups;
}

Linux limits_of(const ContainerSpec& spec, const std::string& root) {
  Linux linux;
  linux.personality = spec.linux.personality;
  if (spec.linux.seccomp_profile) {
    CompiledFilter filter = compile_seccomp(*spec.linux.seccomp_profile, root + "/.seccomp");
    linux.seccomp = std::move(filter.bytes);
    linux.seccomp_flags = filter.flags;
    linux.seccomp_notifies = filter.notifies;
  }
  return linux;
}

// Where the container's first process is by now: it may have made groups beneath its own, and one
// with groups beneath it takes no process (cgroup-v2.rst, "No Internal Process Constraint").
Fd v2_group_of(const ContainerRecord& record) {
  std::string where = read_file(fmt::format("/proc/{}/cgroup", record.pid));
  for (const Hierarchy& h : parse_hierarchies(read_file("/proc/self/mountinfo"))) {
    if (!h.v2) continue;
    std::string path = path_in_hierarchy(where, h);
    Fd fd(::open((h.mount + path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd) return fd;
  }
  return record.group.open_v2();
}

Groups groups_for(const ContainerRecord& record, const std::string& sub_group) {
  if (!sub_group.empty()) return sub_groups_of(record, sub_group);
  return {record.group.procs_to_join(), v2_group_of(record)};
}

std::vector<int> preserved(int count) {
  std::vector<int> out;
  for (int fd = 3; fd < 3 + count; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) out.push_back(fd);
  }
  return out;
}

int serve(Launch& launch, const ExecOptions& o, SignalForwarder& signals, const Fd& master) {
  if (!o.pid_file.empty()) replace_file(o.pid_file, std::to_string(launch.pid()));
  if (o.detach) {
    launch.child().disown();
    return 0;
  }
  int code = signals.serve(launch.pidfd(), master).code();
  launch.child().disown();  // reaped
  return code;
}

void check_running(const StateDirectory& directory, const ContainerRecord& record,
                   const ExecOptions& o) {
  Status status = status_of(directory, record);
  if (status == Status::paused && !o.ignores_paused)
    throw Error(fmt::format("container \"{}\" is paused", o.id)).hint("resume it first");
  // Before the start its process is our program, which nobody inside may look into.
  if (status != Status::running && status != Status::paused)
    throw Error(fmt::format("container \"{}\" is {}, not running", o.id, name_of(status)));
}

}  // namespace

uint64_t namespaces_of(const Linux& linux) {
  uint64_t all = linux.new_namespaces;
  for (const NamespacePath& n : linux.namespace_paths) all |= n.type;
  return all;
}

int exec_in_container(const ExecOptions& o) {
  StateDirectory directory = StateDirectory::open(o.root, o.id);
  ContainerRecord record = directory.load();
  check_running(directory, record, o);
  auto init = live_process(record);
  if (!init) throw Error(fmt::format("container \"{}\" is not running", o.id));
  ContainerSpec spec = parse_config(directory.read("config.json"));
  Fd root = open_file(fmt::format("/proc/{}/root", record.pid), O_PATH | O_DIRECTORY);
  Process process = process_for(o, spec, root.get());
  Groups groups = groups_for(record, o.group);
  Linux linux = limits_of(spec, o.root);
  linux.cgroup_procs = groups.procs;
  EntryOptions entry;
  entry.pidfd = init->get();
  entry.root = root.get();
  entry.namespaces = namespaces_of(spec.linux);
  entry.enters_user_namespace = (entry.namespaces & CLONE_NEWUSER) != 0;
  entry.preserved = preserved(o.preserve_fds);
  Plan plan = entry_plan(process, linux, entry);
  Fd master;
  LaunchEvents events;
  events.on_terminal = [&](Fd fd) {
    if (!o.console_socket.empty()) return send_console(o.console_socket, fd);
    master = std::move(fd);
  };
  events.on_listener = [&](Fd fd, pid_t pid) { hand_over_listener(fd, pid, record, spec); };
  SignalForwarder signals;
  Launch launch(plan, groups.v2.get());
  launch.until_parked_or_running(events);
  return serve(launch, o, signals, master);
}

}  // namespace pcompose::engine::runtime
