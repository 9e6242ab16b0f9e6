#include "engine/runtime/names.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <sched.h>
#include <strings.h>
#include <sys/resource.h>

#include "engine/launch/kernel_abi.h"

namespace pcompose::engine::runtime {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

template <class T>
std::optional<T> parse(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

const std::vector<std::string>& capability_names() {
  // linux/capability.h, in its order.
  static const std::vector<std::string> names = {"CAP_CHOWN",
                                                 "CAP_DAC_OVERRIDE",
                                                 "CAP_DAC_READ_SEARCH",
                                                 "CAP_FOWNER",
                                                 "CAP_FSETID",
                                                 "CAP_KILL",
                                                 "CAP_SETGID",
                                                 "CAP_SETUID",
                                                 "CAP_SETPCAP",
                                                 "CAP_LINUX_IMMUTABLE",
                                                 "CAP_NET_BIND_SERVICE",
                                                 "CAP_NET_BROADCAST",
                                                 "CAP_NET_ADMIN",
                                                 "CAP_NET_RAW",
                                                 "CAP_IPC_LOCK",
                                                 "CAP_IPC_OWNER",
                                                 "CAP_SYS_MODULE",
                                                 "CAP_SYS_RAWIO",
                                                 "CAP_SYS_CHROOT",
                                                 "CAP_SYS_PTRACE",
                                                 "CAP_SYS_PACCT",
                                                 "CAP_SYS_ADMIN",
                                                 "CAP_SYS_BOOT",
                                                 "CAP_SYS_NICE",
                                                 "CAP_SYS_RESOURCE",
                                                 "CAP_SYS_TIME",
                                                 "CAP_SYS_TTY_CONFIG",
                                                 "CAP_MKNOD",
                                                 "CAP_LEASE",
                                                 "CAP_AUDIT_WRITE",
                                                 "CAP_AUDIT_CONTROL",
                                                 "CAP_SETFCAP",
                                                 "CAP_MAC_OVERRIDE",
                                                 "CAP_MAC_ADMIN",
                                                 "CAP_SYSLOG",
                                                 "CAP_WAKE_ALARM",
                                                 "CAP_BLOCK_SUSPEND",
                                                 "CAP_AUDIT_READ",
                                                 "CAP_PERFMON",
                                                 "CAP_BPF",
                                                 "CAP_CHECKPOINT_RESTORE"};
  return names;
}

std::optional<int> capability_number(std::string_view name) {
  std::string wanted = upper(name);
  if (!wanted.starts_with("CAP_")) wanted = "CAP_" + wanted;
  const auto& names = capability_names();
  auto at = std::find(names.begin(), names.end(), wanted);
  if (at == names.end()) return std::nullopt;
  return static_cast<int>(at - names.begin());
}

std::optional<int> rlimit_number(std::string_view name) {
  static constexpr std::pair<const char*, int> kNames[] = {
      {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},
      {"RLIMIT_CPU", RLIMIT_CPU},         {"RLIMIT_DATA", RLIMIT_DATA},
      {"RLIMIT_FSIZE", RLIMIT_FSIZE},     {"RLIMIT_LOCKS", 10},
      {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
      {"RLIMIT_NICE", RLIMIT_NICE},       {"RLIMIT_NOFILE", RLIMIT_NOFILE},
      {"RLIMIT_NPROC", RLIMIT_NPROC},     {"RLIMIT_RSS", RLIMIT_RSS},
      {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
      {"RLIMIT_STACK", RLIMIT_STACK},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING}};
  for (auto [known, number] : kNames) {
    if (name == known) return number;
  }
  return std::nullopt;
}

std::optional<int> signal_number(std::string_view name) {
  if (auto number = parse<int>(name)) {
    return *number >= 0 && *number <= SIGRTMAX ? number : std::nullopt;
  }
  std::string wanted = upper(name);
  if (wanted.starts_with("SIG")) wanted.erase(0, 3);
  for (auto [prefix, base] : {std::pair{"RTMIN+", SIGRTMIN}, std::pair{"RTMAX-", SIGRTMAX}}) {
    if (!wanted.starts_with(prefix)) continue;
    auto offset = parse<int>(std::string_view(wanted).substr(6));
    int limit = SIGRTMAX - SIGRTMIN;
    if (!offset || *offset < 0 || *offset > limit) return std::nullopt;
    return base == SIGRTMIN ? base + *offset : base - *offset;
  }
  if (wanted == "RTMIN") return SIGRTMIN;
  if (wanted == "RTMAX") return SIGRTMAX;
  for (int number = 1; number < 32; ++number) {
    const char* known = ::sigabbrev_np(number);
    if (known != nullptr && wanted == known) return number;
  }
  return std::nullopt;
}

const std::vector<std::pair<std::string, uint64_t>>& namespace_names() {
  static const std::vector<std::pair<std::string, uint64_t>> names = {
      {"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"mount", CLONE_NEWNS},
      {"network", CLONE_NEWNET},   {"pid", CLONE_NEWPID}, {"time", launch::kCloneNewTime},
      {"user", CLONE_NEWUSER},     {"uts", CLONE_NEWUTS}};
  return names;
}

std::optional<uint64_t> namespace_flag(std::string_view name) {
  for (const auto& [known, flag] : namespace_names()) {
    if (name == known) return flag;
  }
  return std::nullopt;
}

// linux/mempolicy.h; those of Debian 12 do not have all.
std::span<const NamedNumber> memory_modes() {
  static constexpr NamedNumber kModes[] = {{"MPOL_DEFAULT", 0},
                                           {"MPOL_PREFERRED", 1},
                                           {"MPOL_BIND", 2},
                                           {"MPOL_INTERLEAVE", 3},
                                           {"MPOL_LOCAL", 4},
                                           {"MPOL_PREFERRED_MANY", 5},
                                           {"MPOL_WEIGHTED_INTERLEAVE", 6}};
  return kModes;
}

std::span<const NamedNumber> memory_flags() {
  static constexpr NamedNumber kFlags[] = {{"MPOL_F_NUMA_BALANCING", 1 << 13},
                                           {"MPOL_F_RELATIVE_NODES", 1 << 14},
                                           {"MPOL_F_STATIC_NODES", 1 << 15}};
  return kFlags;
}

std::optional<std::string> processor_bits(std::string_view list) {
  std::string bits;
  while (!list.empty()) {
    size_t comma = list.find(',');
    std::string_view part = list.substr(0, comma);
    size_t dash = part.find('-');
    auto first = parse<unsigned>(part.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse<unsigned>(part.substr(dash + 1));
    if (!first || !last || *first > *last || *last >= 8192) return std::nullopt;
    for (unsigned cpu = *first; cpu <= *last; ++cpu) {
      // The kernel takes whole words of 8 bytes.
      if (bits.size() <= cpu / 8) bits.resize((cpu / 64 + 1) * 8, '\0');
      bits[cpu / 8] = static_cast<char>(bits[cpu / 8] | 1 << cpu % 8);
    }
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
    if (list.empty()) return std::nullopt;
  }
  return bits;
}

}  // namespace pcompose::engine::runtime
