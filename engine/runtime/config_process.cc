#include <algorithm>
#include <linux/sched.h>

#include <fmt/format.h>

#include "engine/runtime/config.h"
#include "engine/runtime/names.h"

namespace pcompose::engine::runtime {
namespace {

template <class T, size_t N>
T name_to(const JsonNode& node, std::string_view field, const std::string& name,
          const std::pair<const char*, T> (&known)[N]) {
  for (const auto& [text, value] : known) {
    if (name == text) return value;
  }
  node.fail_at(field, fmt::format("\"{}\" is not known", name));
}

User parse_user(const JsonNode& node) {
  User user;
  user.uid = node.number<uint32_t>("uid").value_or(0);
  user.gid = node.number<uint32_t>("gid").value_or(0);
  for (const JsonNode& gid : node.items("additionalGids"))
    user.additional_gids.push_back(static_cast<uint32_t>(gid.natural(UINT32_MAX)));
  return user;
}

// A name that no kernel of ours has cannot be given; the spec wants a warning of it and no error
// (config, "Linux Process").
CapabilitySet parse_set(const JsonNode& capabilities, std::string_view field, Process& p) {
  CapabilitySet set = 0;
  for (const std::string& name : capabilities.texts(field)) {
    if (auto number = capability_number(name)) {
      set |= CapabilitySet{1} << *number;
    } else {
      p.unknown_capabilities.push_back(
          fmt::format("{}.{}: \"{}\" is not known", capabilities.place(), field, name));
    }
  }
  return set;
}

void parse_capabilities(const JsonNode& node, Process& p) {
  p.capabilities.bounding = parse_set(node, "bounding", p);
  p.capabilities.effective = parse_set(node, "effective", p);
  p.capabilities.permitted = parse_set(node, "permitted", p);
  p.capabilities.inheritable = parse_set(node, "inheritable", p);
  p.capabilities.ambient = parse_set(node, "ambient", p);
}

std::vector<Rlimit> parse_rlimits(const JsonNode& process) {
  std::vector<Rlimit> out;
  for (const JsonNode& node : process.items("rlimits")) {
    std::string name = node.needed_text("type");
    auto number = rlimit_number(name);
    if (!number) node.fail_at("type", fmt::format("\"{}\" is not known", name));
    auto seen = [&](const Rlimit& r) { return r.type == *number; };
    if (std::any_of(out.begin(), out.end(), seen))
      node.fail_at("type", fmt::format("{} stands there twice", name));
    Rlimit limit{*number, node.needed_number<uint64_t>("soft"),
                 node.needed_number<uint64_t>("hard")};
    if (limit.soft > limit.hard) node.fail_at("soft", "lies above hard");
    out.push_back(limit);
  }
  return out;
}

// sched_setattr(2), "SCHED_DEADLINE": the kernel says no more than EINVAL.
void check_deadline(const JsonNode& node, const Scheduler& s) {
  constexpr uint64_t kLeast = 1024;  // nanoseconds
  if (s.runtime < kLeast) node.fail_at("runtime", "SCHED_DEADLINE wants 1024 ns or more");
  if (s.deadline == 0) node.fail_at("deadline", "SCHED_DEADLINE wants one");
  if (s.runtime > s.deadline) node.fail_at("runtime", "lies above deadline");
  if (s.period != 0 && s.deadline > s.period) node.fail_at("deadline", "lies above period");
}

Scheduler parse_scheduler(const JsonNode& node) {
  static constexpr std::pair<const char*, uint32_t> kPolicies[] = {
      {"SCHED_OTHER", SCHED_NORMAL},     {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
      {"SCHED_BATCH", SCHED_BATCH},      {"SCHED_ISO", 4},           {"SCHED_IDLE", SCHED_IDLE},
      {"SCHED_DEADLINE", SCHED_DEADLINE}};
  static constexpr std::pair<const char*, uint64_t> kFlags[] = {
      {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
      {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
      {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
      {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
      {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
      {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
      {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX}};
  Scheduler s;
  s.policy = name_to(node, "policy", node.needed_text("policy"), kPolicies);
  s.nice = node.number<int32_t>("nice").value_or(0);
  s.priority = static_cast<uint32_t>(std::max(node.number<int32_t>("priority").value_or(0), 0));
  for (const std::string& flag : node.texts("flags"))
    s.flags |= name_to(node, "flags", flag, kFlags);
  s.runtime = node.number<uint64_t>("runtime").value_or(0);
  s.deadline = node.number<uint64_t>("deadline").value_or(0);
  s.period = node.number<uint64_t>("period").value_or(0);
  if (s.policy == SCHED_DEADLINE) check_deadline(node, s);
  return s;
}

IoPriority parse_io_priority(const JsonNode& node) {
  // ioprio_set(2); newer versions of linux/ioprio.h are no C++ (a parameter called class).
  static constexpr std::pair<const char*, int> kClasses[] = {
      {"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
  IoPriority p;
  p.io_class = name_to(node, "class", node.needed_text("class"), kClasses);
  p.priority = node.number<int>("priority").value_or(0);
  if (p.priority < 0 || p.priority > 7) node.fail_at("priority", "lies outside 0 to 7");
  return p;
}

std::string parse_processors(const JsonNode& node, std::string_view field) {
  auto bits = processor_bits(node.text(field));
  if (!bits) node.fail_at(field, "is no list of processors like 0-3,5");
  return *bits;
}

void parse_console(const JsonNode& process, Process& p) {
  p.terminal = process.boolean("terminal", false);
  if (auto size = process.get("consoleSize"); size && p.terminal) {
    p.rows = size->needed_number<uint16_t>("height");
    p.columns = size->needed_number<uint16_t>("width");
  }
}

// What decides how it runs, beyond who it is.
void parse_controls(const JsonNode& node, Process& p) {
  p.rlimits = parse_rlimits(node);
  p.no_new_privileges = node.boolean("noNewPrivileges", false);
  p.oom_score_adj = node.number<int>("oomScoreAdj");
  if (p.oom_score_adj && (*p.oom_score_adj < -1000 || *p.oom_score_adj > 1000))
    node.fail_at("oomScoreAdj", "lies outside -1000 to 1000");
  if (auto scheduler = node.get("scheduler")) p.scheduler = parse_scheduler(*scheduler);
  if (auto priority = node.get("ioPriority")) p.io_priority = parse_io_priority(*priority);
  if (auto affinity = node.get("execCPUAffinity")) {
    p.initial_affinity = parse_processors(*affinity, "initial");
    p.final_affinity = parse_processors(*affinity, "final");
  }
  p.apparmor_profile = node.text("apparmorProfile");
  p.selinux_label = node.text("selinuxLabel");
}

}  // namespace

Process parse_process(const JsonNode& node) {
  Process p;
  p.args = node.texts("args");
  p.env = node.texts("env");
  p.cwd = node.needed_text("cwd");
  if (!p.cwd.starts_with('/')) node.fail_at("cwd", "must be absolute");
  if (auto user = node.get("user")) {
    p.user = parse_user(*user);
    p.umask = user->number<uint32_t>("umask");
  }
  if (auto capabilities = node.get("capabilities")) parse_capabilities(*capabilities, p);
  parse_console(node, p);
  parse_controls(node, p);
  return p;
}

}  // namespace pcompose::engine::runtime
