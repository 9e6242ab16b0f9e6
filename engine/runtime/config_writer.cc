#include "engine/runtime/config_writer.h"

#include <algorithm>
#include <sched.h>
#include <unistd.h>

#include <fmt/format.h>

#include "engine/launch/kernel_abi.h"
#include "engine/plan_parts.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

json::array texts(const std::vector<std::string>& list) {
  return json::array(list.begin(), list.end());
}

json::array capability_list(CapabilitySet set) {
  json::array out;
  const auto& names = capability_names();
  for (size_t i = 0; i < names.size(); ++i) {
    if ((set >> i & 1U) != 0) out.emplace_back(names[i]);
  }
  return out;
}

json::array rlimits(const std::vector<Rlimit>& list) {
  static constexpr const char* kNames[] = {
      "RLIMIT_AS",     "RLIMIT_CORE",   "RLIMIT_CPU",        "RLIMIT_DATA",
      "RLIMIT_FSIZE",  "RLIMIT_LOCKS",  "RLIMIT_MEMLOCK",    "RLIMIT_MSGQUEUE",
      "RLIMIT_NICE",   "RLIMIT_NOFILE", "RLIMIT_NPROC",      "RLIMIT_RSS",
      "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK"};
  json::array out;
  for (const Rlimit& limit : list) {
    const auto* name =
        std::ranges::find_if(kNames, [&](const char* n) { return rlimit_number(n) == limit.type; });
    if (name != std::end(kNames))
      out.push_back({{"type", *name}, {"soft", limit.soft}, {"hard", limit.hard}});
  }
  return out;
}

json::object mount_json(const Mount& m) {
  json::array options;
  for (auto [flag, name] : {std::pair{launch::kMsReadOnly, "ro"},
                            {launch::kMsNoSuid, "nosuid"},
                            {launch::kMsNoDev, "nodev"},
                            {launch::kMsNoExec, "noexec"}}) {
    if ((m.flags & flag) != 0) options.emplace_back(name);
  }
  for (size_t at = 0; at < m.data.size();) {
    size_t comma = std::min(m.data.find(',', at), m.data.size());
    options.emplace_back(m.data.substr(at, comma - at));
    at = comma + 1;
  }
  return {{"destination", m.destination},
          {"type", m.type},
          {"source", m.source.empty() ? m.type : m.source},
          {"options", std::move(options)}};
}

std::string descriptor_of_ours(int fd) { return fmt::format("/proc/{}/fd/{}", ::getpid(), fd); }

json::array namespaces(const Linux& linux) {
  json::array out;
  for (const auto& [name, flag] : namespace_names()) {
    int joined = flag == CLONE_NEWNET ? linux.network_namespace : -1;
    for (const auto& [type, fd] : linux.namespaces)
      if (type == flag) joined = fd;
    if (joined < 0 && (linux.new_namespaces & flag) == 0) continue;
    json::object one{{"type", name}};
    if (joined >= 0) one["path"] = descriptor_of_ours(joined);
    out.push_back(std::move(one));
  }
  return out;
}

json::array devices(const Linux& linux) {
  json::array out;
  for (const Device& d : linux.devices) {
    if (is_default_device(d.path)) continue;
    json::object one{{"path", d.path},
                     {"type", std::string(1, d.type)},
                     {"fileMode", d.mode},
                     {"uid", d.uid},
                     {"gid", d.gid}};
    if (d.type != 'p') {
      one["major"] = d.major;
      one["minor"] = d.minor;
    }
    out.push_back(std::move(one));
  }
  return out;
}

json::array device_rules(const std::vector<DeviceRule>& rules) {
  json::array out = {{{"allow", false}, {"access", "rwm"}}};
  for (const DeviceRule& rule : rules) {
    json::object one{
        {"allow", rule.allow}, {"type", std::string(1, rule.type)}, {"access", rule.access}};
    if (rule.major) one["major"] = *rule.major;
    if (rule.minor) one["minor"] = *rule.minor;
    out.push_back(std::move(one));
  }
  return out;
}

json::object seccomp_json(const SeccompProfile& profile) {
  json::array calls;
  for (const SeccompRule& rule : profile.rules) {
    json::object one{{"names", texts(rule.names)}, {"action", rule.action}};
    if (rule.errno_return) one["errnoRet"] = *rule.errno_return;
    json::array arguments;
    for (const SeccompArgument& a : rule.arguments) {
      arguments.push_back(
          {{"index", a.index}, {"value", a.value}, {"valueTwo", a.value_two}, {"op", a.op}});
    }
    if (!arguments.empty()) one["args"] = std::move(arguments);
    calls.push_back(std::move(one));
  }
  json::object out{{"defaultAction", profile.default_action},
                   {"architectures", texts(profile.architectures)},
                   {"syscalls", std::move(calls)}};
  if (profile.default_errno) out["defaultErrnoRet"] = *profile.default_errno;
  if (!profile.flags.empty()) out["flags"] = texts(profile.flags);
  return out;
}

json::object linux_json(const Linux& linux) {
  json::object sysctl;
  for (const auto& [name, value] : linux.sysctl) {
    std::string dotted = name;
    std::ranges::replace(dotted, '/', '.');
    sysctl[dotted] = value;
  }
  json::object out{{"namespaces", namespaces(linux)},
                   {"cgroupsPath", linux.cgroups_path},
                   {"devices", devices(linux)},
                   {"resources", {{"devices", device_rules(linux.resources.devices)}}},
                   {"sysctl", std::move(sysctl)},
                   {"maskedPaths", texts(linux.masked_paths)},
                   {"readonlyPaths", texts(linux.readonly_paths)}};
  if (linux.seccomp_profile) out["seccomp"] = seccomp_json(*linux.seccomp_profile);
  return out;
}

json::array hooks_json(const std::vector<Hook>& hooks) {
  json::array out;
  for (const Hook& hook : hooks) {
    json::object one = {{"path", hook.path}};
    if (!hook.args.empty()) one["args"] = json::array(hook.args.begin(), hook.args.end());
    if (hook.env) one["env"] = json::array(hook.env->begin(), hook.env->end());
    if (hook.timeout) one["timeout"] = *hook.timeout;
    out.push_back(std::move(one));
  }
  return out;
}

json::object hooks_json(const Hooks& hooks) {
  json::object out;
  for (const auto& [name, list] : kHookKinds) {
    if (!(hooks.*list).empty()) out[name] = hooks_json(hooks.*list);
  }
  return out;
}

}  // namespace

json::object process_json(const Process& p) {
  const Capabilities& c = p.capabilities;
  json::object user{{"uid", p.user.uid}, {"gid", p.user.gid}};
  if (!p.user.additional_gids.empty())
    user["additionalGids"] =
        json::array(p.user.additional_gids.begin(), p.user.additional_gids.end());
  if (p.umask) user["umask"] = *p.umask;
  json::object out{{"terminal", p.terminal},
                   {"user", std::move(user)},
                   {"args", texts(p.args)},
                   {"env", texts(p.env)},
                   {"cwd", p.cwd.empty() ? "/" : p.cwd},
                   {"capabilities",
                    {{"bounding", capability_list(c.bounding)},
                     {"effective", capability_list(c.effective)},
                     {"permitted", capability_list(c.permitted)},
                     {"inheritable", capability_list(c.inheritable)},
                     {"ambient", capability_list(c.ambient)}}},
                   {"rlimits", rlimits(p.rlimits)},
                   {"noNewPrivileges", p.no_new_privileges}};
  // From its first moment: what is set on the terminal once it is here may come too late.
  if (p.terminal && p.rows != 0) out["consoleSize"] = {{"height", p.rows}, {"width", p.columns}};
  if (p.oom_score_adj) out["oomScoreAdj"] = *p.oom_score_adj;
  if (!p.apparmor_profile.empty()) out["apparmorProfile"] = p.apparmor_profile;
  if (!p.selinux_label.empty()) out["selinuxLabel"] = p.selinux_label;
  return out;
}

json::object config_of(const ContainerSpec& spec, const std::string& root) {
  json::array mounts;
  for (const Mount& m : spec.mounts) {
    if (m.type != "bind") mounts.push_back(mount_json(m));
  }
  json::object annotations;
  for (const auto& [key, value] : spec.annotations) annotations[key] = value;
  return {{"ociVersion", "1.0.2"},
          {"process", process_json(spec.process)},
          {"root", {{"path", root}, {"readonly", spec.root.readonly}}},
          {"hostname", spec.hostname},
          {"mounts", std::move(mounts)},
          {"linux", linux_json(spec.linux)},
          {"hooks", hooks_json(spec.hooks)},
          {"annotations", std::move(annotations)}};
}

}  // namespace pcompose::engine::runtime
