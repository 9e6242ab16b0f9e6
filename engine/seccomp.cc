#include "engine/seccomp.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <iterator>
#include <linux/capability.h>
#include <map>
#include <memory>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>
#include <seccomp.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"
#include "base/sha256.h"
#include "engine/seccomp_calls.h"

namespace pcompose::engine {
namespace {

constexpr int kRulesVersion = 2;  // raise with every change of the rules below

// linux/socket.h: ECONET, ATMSVC, IRDA, WANPIPE, ISDN, CAIF, ALG, VSOCK.
constexpr uint64_t kRefusedFamilies[] = {19, 20, 23, 25, 34, 37, 38, 40};

struct Release {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, Release>;

bool has(CapabilitySet set, int capability) {
  return (set >> static_cast<unsigned>(capability) & 1U) != 0;
}

constexpr const char* kAllow = "SCMP_ACT_ALLOW";

void allow(SeccompProfile& profile, const std::vector<std::string>& calls) {
  profile.rules.push_back({.names = calls, .action = kAllow, .errno_return = {}, .arguments = {}});
}

void allow_if(SeccompProfile& profile, const char* call, const char* how, uint64_t a,
              uint64_t b = 0) {
  profile.rules.push_back({.names = {call},
                           .action = kAllow,
                           .errno_return = {},
                           .arguments = {{.index = 0, .value = a, .value_two = b, .op = how}}});
}

// A new user namespace gives its maker all capabilities inside: without CAP_SYS_ADMIN no
// namespaces.
void add_clone(SeccompProfile& profile, CapabilitySet capabilities) {
  if (has(capabilities, CAP_SYS_ADMIN))
    return allow(profile, {"clone", "clone3", "unshare", "setns"});
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                   CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  allow_if(profile, "clone", "SCMP_CMP_MASKED_EQ", kNamespaces, 0);
  // clone3's flags lie in memory, where a filter cannot look. ENOSYS makes C libraries use clone.
  profile.rules.push_back(
      {.names = {"clone3"}, .action = "SCMP_ACT_ERRNO", .errno_return = ENOSYS, .arguments = {}});
}

void add_by_argument(SeccompProfile& profile) {
  // PER_LINUX, UNAME26, PER_LINUX32, both, and "what is it": personality(2).
  for (uint64_t p : {0x0U, 0x0020000U, 0x0008U, 0x0020008U, 0xffffffffU})
    allow_if(profile, "personality", "SCMP_CMP_EQ", p);
  // vsock would reach the hypervisor's host past every network namespace; ALG and the families that
  // nobody uses are ways into the kernel.
  allow_if(profile, "socket", "SCMP_CMP_LT", 12 /* DECnet */);
  for (uint64_t family = 13; family <= AF_MCTP; ++family) {
    if (std::ranges::find(kRefusedFamilies, family) == std::end(kRefusedFamilies))
      allow_if(profile, "socket", "SCMP_CMP_EQ", family);
  }
}

void add_by_capability(SeccompProfile& profile, CapabilitySet set) {
  auto add = [&](int capability, const std::vector<std::string>& calls) {
    if (has(set, capability)) allow(profile, calls);
  };
  add(CAP_SYS_CHROOT, {"chroot"});
  add(CAP_DAC_READ_SEARCH, {"open_by_handle_at"});
  add(CAP_SYS_ADMIN,
      {"bpf",         "fanotify_init",   "fsconfig", "fsmount",       "fsopen",
       "fspick",      "lookup_dcookie",  "mount",    "mount_setattr", "move_mount",
       "open_tree",   "perf_event_open", "quotactl", "quotactl_fd",   "setdomainname",
       "sethostname", "syslog",          "umount",   "umount2",       "pivot_root",
       "swapon",      "swapoff"});
  add(CAP_SYS_BOOT, {"reboot"});
  add(CAP_SYS_MODULE, {"delete_module", "init_module", "finit_module"});
  add(CAP_SYS_PACCT, {"acct"});
  add(CAP_SYS_PTRACE, {"kcmp", "pidfd_getfd", "process_madvise"});
  add(CAP_SYS_RAWIO, {"iopl", "ioperm"});
  add(CAP_SYS_TIME, {"settimeofday", "stime", "clock_settime", "clock_settime64"});
  add(CAP_SYS_TTY_CONFIG, {"vhangup"});
  add(CAP_SYS_NICE, {"get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node"});
  add(CAP_SYSLOG, {"syslog"});
}

void add_rule(void* context, const SeccompRule& rule) {
  static const std::map<std::string, scmp_compare> kOperators = {
      {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_LT", SCMP_CMP_LT},
      {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  uint32_t action = rule.errno_return ? SCMP_ACT_ERRNO(*rule.errno_return) : SCMP_ACT_ALLOW;
  std::vector<scmp_arg_cmp> tests;
  for (const SeccompArgument& a : rule.arguments)
    tests.push_back({a.index, kOperators.at(a.op), a.value, a.value_two});
  for (const std::string& call : rule.names) {
    int number = seccomp_syscall_resolve_name(call.c_str());
    if (number == __NR_SCMP_ERROR) continue;  // unknown to this library: refused by default
    int error = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(tests.size()),
                                       tests.data());
    // EDOM: the call does not exist on one of the architectures (socketcall).
    if (error != 0 && error != -EDOM && error != -EEXIST)
      throw Error(fmt::format("seccomp rule for {}", call), -error);
  }
}

std::string compile(CapabilitySet capabilities) {
  Context context(seccomp_init(SCMP_ACT_ERRNO(EPERM)));
  if (!context) throw Error("seccomp_init", ENOMEM);
  void* c = context.get();
#if defined(__x86_64__)
  seccomp_arch_add(c, SCMP_ARCH_X86);
  seccomp_arch_add(c, SCMP_ARCH_X32);
#elif defined(__aarch64__)
  seccomp_arch_add(c, SCMP_ARCH_ARM);
#endif
  seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE,
                   2);  // a binary tree: longer, but loads in half the time
  for (const SeccompRule& rule : default_seccomp_profile(capabilities).rules) add_rule(c, rule);
  return export_seccomp_filter(c);
}

}  // namespace

SeccompProfile default_seccomp_profile(CapabilitySet bounding) {
  SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.default_errno = EPERM;
#if defined(__x86_64__)
  profile.architectures = {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
  profile.architectures = {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#endif
  allow(profile, {std::begin(kAllowedCalls), std::end(kAllowedCalls)});
  add_clone(profile, bounding);
  add_by_argument(profile);
  add_by_capability(profile, bounding);
  return profile;
}

std::string export_seccomp_filter(void* context) {
  // libseccomp writes to a descriptor only; a memfd never fills or blocks.
  Fd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) throw Error::from_errno("memfd_create");
  int error = seccomp_export_bpf(context, memory.get());
  if (error != 0) throw Error("compile the seccomp filter", -error);
  ::lseek(memory.get(), 0, SEEK_SET);
  return read_all(memory.get());
}

std::string default_seccomp_filter(const Capabilities& capabilities,
                                   const std::string& cache_directory) {
  utsname kernel{};
  ::uname(&kernel);
  const scmp_version* library = seccomp_version();
  std::string key = sha256_hex(fmt::format("{} {:x} {} {} {}.{}.{}", kRulesVersion,
                                           capabilities.bounding, kernel.machine, kernel.release,
                                           library->major, library->minor, library->micro));
  std::string path = cache_directory + "/seccomp-" + key.substr(0, 16) + ".bpf";
  if (::access(path.c_str(), R_OK) == 0) return read_file(path);
  std::string filter = compile(capabilities.bounding);
  make_directories(cache_directory);
  replace_file(path, filter, 0600);
  return filter;
}

}  // namespace pcompose::engine
