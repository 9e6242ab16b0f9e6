#include "engine/runtime/seccomp_profile.h"

#include <algorithm>
#include <cerrno>
#include <linux/seccomp.h>
#include <map>
#include <memory>
#include <set>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>
#include <seccomp.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"
#include "base/sha256.h"
#include "engine/seccomp.h"

namespace pcompose::engine::runtime {
namespace {

constexpr int kRulesVersion = 1;  // raise with every change of what is compiled

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

template <class T>
using Names = std::vector<std::pair<std::string, T>>;

const Names<uint32_t>& architectures() {
  static const Names<uint32_t> names = {{"SCMP_ARCH_NATIVE", SCMP_ARCH_NATIVE},
                                        {"SCMP_ARCH_X86", SCMP_ARCH_X86},
                                        {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
                                        {"SCMP_ARCH_X32", SCMP_ARCH_X32},
                                        {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
                                        {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
                                        {"SCMP_ARCH_MIPS", SCMP_ARCH_MIPS},
                                        {"SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64},
                                        {"SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32},
                                        {"SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL},
                                        {"SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64},
                                        {"SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32},
                                        {"SCMP_ARCH_PPC", SCMP_ARCH_PPC},
                                        {"SCMP_ARCH_PPC64", SCMP_ARCH_PPC64},
                                        {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE},
                                        {"SCMP_ARCH_S390", SCMP_ARCH_S390},
                                        {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
                                        {"SCMP_ARCH_PARISC", SCMP_ARCH_PARISC},
                                        {"SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64},
                                        {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64}};
  return names;
}

const Names<scmp_compare>& operators() {
  static const Names<scmp_compare> names = {{"SCMP_CMP_NE", SCMP_CMP_NE},
                                            {"SCMP_CMP_LT", SCMP_CMP_LT},
                                            {"SCMP_CMP_LE", SCMP_CMP_LE},
                                            {"SCMP_CMP_EQ", SCMP_CMP_EQ},
                                            {"SCMP_CMP_GE", SCMP_CMP_GE},
                                            {"SCMP_CMP_GT", SCMP_CMP_GT},
                                            {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  return names;
}

const Names<uint32_t>& flag_bits() {
  static const Names<uint32_t> names = {
      {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
      {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
      {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
      {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1U << 5U}};
  return names;
}

template <class T>
T named(const Names<T>& names, const std::string& name, const std::string& place) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  throw Error(fmt::format("linux.seccomp.{}: \"{}\" is not known", place, name));
}

template <class T>
std::vector<std::string> keys(const Names<T>& names) {
  std::vector<std::string> out;
  for (const auto& [name, value] : names) out.push_back(name);
  return out;
}

uint32_t action(const std::string& name, std::optional<uint32_t> number, const std::string& place) {
  if (number && name != "SCMP_ACT_ERRNO" && name != "SCMP_ACT_TRACE")
    throw Error(fmt::format("linux.seccomp.{}: {} takes no errno", place, name));
  uint32_t value = number.value_or(EPERM) & 0xffffU;
  const Names<uint32_t> names = {{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
                                 {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
                                 {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
                                 {"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
                                 {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(value)},
                                 {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(value)},
                                 {"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
                                 {"SCMP_ACT_LOG", SCMP_ACT_LOG},
                                 {"SCMP_ACT_NOTIFY", SCMP_ACT_NOTIFY}};
  return named(names, name, place);
}

void add(void* context, uint32_t what, int number, const std::vector<scmp_arg_cmp>& tests,
         const std::string& place) {
  int error = seccomp_rule_add_array(context, what, number, static_cast<unsigned>(tests.size()),
                                     tests.data());
  // EDOM: the call does not exist on one of the architectures.
  if (error != 0 && error != -EDOM && error != -EEXIST)
    throw Error(fmt::format("linux.seccomp.{}", place), -error);
}

std::vector<scmp_arg_cmp> comparisons(const SeccompRule& rule, const std::string& place) {
  std::vector<scmp_arg_cmp> out;
  for (const SeccompArgument& a : rule.arguments)
    out.push_back({a.index, named(operators(), a.op, place + ".args"), a.value, a.value_two});
  return out;
}

void add_rule(void* context, const SeccompRule& rule, uint32_t otherwise,
              const std::string& place) {
  uint32_t what = action(rule.action, rule.errno_return, place);
  if (what == otherwise) return;  // the library refuses what changes nothing
  auto tests = comparisons(rule, place);
  std::set<unsigned> arguments;
  for (const auto& test : tests) arguments.insert(test.arg);
  // All tests of one rule have to hold; the library takes one for each argument, so several of one
  // argument are alternatives, as they are in every other runtime.
  bool alternatives = arguments.size() != tests.size();
  for (const std::string& name : rule.names) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) continue;
    if (!alternatives) {
      add(context, what, number, tests, place);
      continue;
    }
    for (const auto& test : tests) add(context, what, number, {test}, place);
  }
}

std::string compile(const SeccompProfile& profile) {
  uint32_t otherwise = action(profile.default_action, profile.default_errno, "defaultAction");
  Context context(seccomp_init(otherwise));
  if (!context) throw Error("linux.seccomp: seccomp_init", ENOMEM);
  for (const std::string& name : profile.architectures) {
    int error = seccomp_arch_add(context.get(), named(architectures(), name, "architectures"));
    if (error != 0 && error != -EEXIST) throw Error("linux.seccomp.architectures: " + name, -error);
  }
  // A binary tree: longer, but loads in half the time.
  if (profile.rules.size() > 1) seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (size_t i = 0; i < profile.rules.size(); ++i)
    add_rule(context.get(), profile.rules[i], otherwise, fmt::format("syscalls[{}]", i));
  return export_seccomp_filter(context.get());
}

std::string key_of(const SeccompProfile& p) {
  utsname kernel{};
  ::uname(&kernel);
  const scmp_version* library = seccomp_version();
  std::string key = fmt::format("{} {} {} {}.{}.{} {} {}", kRulesVersion, kernel.machine,
                                kernel.release, library->major, library->minor, library->micro,
                                p.default_action, p.default_errno.value_or(0));
  for (const std::string& a : p.architectures) key += " " + a;
  for (const SeccompRule& r : p.rules) {
    key += fmt::format("\n{} {}", r.action, r.errno_return.value_or(0));
    for (const SeccompArgument& a : r.arguments)
      key += fmt::format(" [{} {} {} {}]", a.index, a.op, a.value, a.value_two);
    for (const std::string& name : r.names) key += " " + name;
  }
  return sha256_hex(key);
}

// A child that told its launcher by a call the filter asks about would wait for itself.
void check_notify(const SeccompProfile& p) {
  if (p.default_action == "SCMP_ACT_NOTIFY")
    throw Error("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default");
  static const std::set<std::string> kOurs = {"sendmsg", "recvfrom", "close", "write"};
  for (size_t i = 0; i < p.rules.size(); ++i) {
    if (p.rules[i].action != "SCMP_ACT_NOTIFY") continue;
    for (const std::string& name : p.rules[i].names) {
      if (kOurs.contains(name))
        throw Error(fmt::format("linux.seccomp.syscalls[{}]: SCMP_ACT_NOTIFY cannot be used for {}",
                                i, name));
    }
  }
}

}  // namespace

CompiledFilter compile_seccomp(const SeccompProfile& profile, const std::string& cache_directory) {
  CompiledFilter out;
  for (const std::string& flag : profile.flags) out.flags |= named(flag_bits(), flag, "flags");
  auto notifies = [](const SeccompRule& r) { return r.action == "SCMP_ACT_NOTIFY"; };
  check_notify(profile);
  out.notifies = std::any_of(profile.rules.begin(), profile.rules.end(), notifies);
  if (out.notifies && profile.listener_path.empty())
    throw Error("linux.seccomp.listenerPath: is missing, SCMP_ACT_NOTIFY wants it");
  // Somebody waits for the descriptor, also where no call is reported.
  out.notifies = !profile.listener_path.empty();
  if (out.notifies) out.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  std::string path = cache_directory + "/" + key_of(profile).substr(0, 32) + ".bpf";
  if (::access(path.c_str(), R_OK) == 0) {
    out.bytes = read_file(path);
    if (!out.bytes.empty()) return out;
  }
  out.bytes = compile(profile);
  make_directories(cache_directory);
  replace_file(path, out.bytes, 0600);
  return out;
}

const std::vector<std::string>& seccomp_actions() {
  static const std::vector<std::string> names = {
      "SCMP_ACT_ALLOW",        "SCMP_ACT_ERRNO",       "SCMP_ACT_KILL",
      "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
      "SCMP_ACT_NOTIFY",       "SCMP_ACT_TRACE",       "SCMP_ACT_TRAP"};
  return names;
}

const std::vector<std::string>& seccomp_operators() {
  static const std::vector<std::string> names = keys(operators());
  return names;
}

const std::vector<std::string>& seccomp_architectures() {
  static const std::vector<std::string> names = keys(architectures());
  return names;
}

const std::vector<std::string>& seccomp_flags() {
  static const std::vector<std::string> names = keys(flag_bits());
  return names;
}

}  // namespace pcompose::engine::runtime
