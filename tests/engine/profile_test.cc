// Our default rights held against Docker's documented ones: nothing more is allowed.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <map>
#include <sched.h>
#include <set>
#include <sstream>
#include <sys/socket.h>

#include <gtest/gtest.h>
#include <seccomp.h>

#include "base/fd.h"
#include "engine/runtime/names.h"
#include "engine/seccomp.h"
#include "engine/spec.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

// What a filter answers: an interpreter of the instructions that seccomp filters have (seccomp(2),
// bpf.rst of the kernel's networking documentation).
uint32_t answer(const std::string& filter, const seccomp_data& data) {
  std::vector<sock_filter> program(filter.size() / sizeof(sock_filter));
  std::memcpy(program.data(), filter.data(), filter.size());
  uint32_t a = 0;
  for (size_t at = 0; at < program.size(); ++at) {
    const sock_filter& i = program[at];
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + i.k, sizeof a);
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= i.k;
        break;
      case BPF_JMP | BPF_JA:
        at += i.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += a == i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        at += a > i.k ? i.jt : i.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += a >= i.k ? i.jt : i.jf;
        break;
      case BPF_RET | BPF_K:
        return i.k;
      default:
        ADD_FAILURE() << "instruction " << i.code;
        return 0;
    }
  }
  return 0;
}

struct Documented {
  std::set<std::string> always, by_argument;
  std::map<std::string, std::set<std::string>> with;  // by capability
};

Documented documented() {
  Documented out;
  std::set<std::string>* into = nullptr;
  std::istringstream lines(read_file(PROFILE));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) continue;
    if (size_t colon = line.find(':'); colon != std::string::npos) {
      std::string condition = line.substr(0, colon);
      into = condition == "always"      ? &out.always
             : condition == "arguments" ? &out.by_argument
                                        : &out.with[condition.substr(5)];
      line = line.substr(colon + 1);
    }
    std::istringstream words(line);
    for (std::string word; words >> word;) into->insert(word);
  }
  return out;
}

class ProfileTest : public testing::Test {
 protected:
  std::string filter(CapabilitySet set) {
    return default_seccomp_filter({.bounding = set}, directory_.path());
  }
  static uint32_t ask(const std::string& filter, uint32_t arch, int call, uint64_t argument = 0) {
    seccomp_data data{};
    data.arch = arch;
    data.nr = call;
    data.args[0] = argument;
    return answer(filter, data);
  }
  // The calls that are allowed for some value of their first argument.
  static std::set<std::string> allowed(const std::string& filter, uint32_t arch) {
    std::set<std::string> out;
    for (int call = 0; call < 600; ++call) {
      char* name = seccomp_syscall_resolve_num_arch(arch, call);
      if (name == nullptr) continue;
      for (uint64_t argument : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
        if (ask(filter, arch, call, argument) == SECCOMP_RET_ALLOW) out.insert(name);
      }
      std::free(name);
    }
    return out;
  }
  fixture::TemporaryDirectory directory_{"/tmp"};
};

constexpr uint32_t kArchitectures[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386};

TEST_F(ProfileTest, AllowsNoCallThatDockerDoesNot) {
  Documented docker = documented();
  ASSERT_GT(docker.always.size(), 300U);
  std::set<std::string> usual = docker.always;
  usual.insert(docker.by_argument.begin(), docker.by_argument.end());
  for (const char* capability : {"CAP_SYS_CHROOT"}) usual.merge(docker.with.at(capability));
  for (uint32_t arch : kArchitectures) {
    auto ours = allowed(filter(default_capabilities().bounding), arch);
    EXPECT_GT(ours.size(), 250U);
    for (const std::string& call : ours) EXPECT_TRUE(usual.contains(call)) << call;
  }
}

TEST_F(ProfileTest, ACapabilityOpensWhatItOpensWithDocker) {
  Documented docker = documented();
  for (int capability = 0; capability <= CAP_LAST_CAP; ++capability) {
    std::string name = runtime::capability_names().at(static_cast<size_t>(capability));
    std::set<std::string> may = docker.always;
    may.insert(docker.by_argument.begin(), docker.by_argument.end());
    if (docker.with.contains(name)) may.merge(docker.with.at(name));
    // Not in Docker's list, and without the capability of no use: pivot_root, swapon, swapoff.
    if (capability == CAP_SYS_ADMIN) may.insert({"pivot_root", "swapon", "swapoff"});
    std::string with = filter(CapabilitySet{1} << static_cast<unsigned>(capability));
    for (uint32_t arch : kArchitectures) {
      for (const std::string& call : allowed(with, arch))
        EXPECT_TRUE(may.contains(call)) << call << " with " << name;
    }
  }
}

TEST_F(ProfileTest, ArgumentsAreThoseOfDockers) {
  std::string usual = filter(default_capabilities().bounding);
  auto call = [](const char* name) { return seccomp_syscall_resolve_name(name); };
  auto allows = [&](const char* name, uint64_t argument) {
    return ask(usual, AUDIT_ARCH_X86_64, call(name), argument) == SECCOMP_RET_ALLOW;
  };
  // docs.docker.com: what the families are that may be had.
  std::set<uint64_t> families = {13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29,
                                 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44, 45};
  for (uint64_t family = 0; family < 64; ++family)
    EXPECT_EQ(allows("socket", family), family < 12 || families.contains(family)) << family;
  for (uint64_t persona : {0x0U, 0x8U, 0x20000U, 0x20008U, 0xffffffffU})
    EXPECT_TRUE(allows("personality", persona));
  EXPECT_FALSE(allows("personality", 0x0040000U)) << "ADDR_NO_RANDOMIZE";
  EXPECT_TRUE(allows("clone", SIGCHLD));
  for (int flag : {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC,
                   CLONE_NEWUTS, CLONE_NEWCGROUP})
    EXPECT_FALSE(allows("clone", static_cast<uint64_t>(flag | SIGCHLD))) << flag;
  EXPECT_EQ(ask(usual, AUDIT_ARCH_X86_64, call("clone3")),
            static_cast<uint32_t>(SECCOMP_RET_ERRNO | ENOSYS));
  for (const char* never : {"keyctl", "add_key", "request_key", "io_uring_setup", "userfaultfd",
                            "mount", "bpf", "unshare", "setns", "kexec_load", "init_module"})
    EXPECT_FALSE(allows(never, 0)) << never;
}

// docs.docker.com, "Runtime privilege and Linux capabilities"; moby's oci/defaults as documented
// under "Default masked and read-only paths".
TEST_F(ProfileTest, CapabilitiesAndPathsAreThoseOfDockers) {
  EXPECT_EQ(default_capabilities().bounding, 0xa80425fbU);
  EXPECT_EQ(default_capabilities().inheritable, 0U);
  EXPECT_EQ(default_capabilities().ambient, 0U);
  auto masked = default_masked_paths();
  for (const char* path :
       {"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"})
    EXPECT_NE(std::ranges::find(masked, path), masked.end()) << path;
  auto read_only = default_readonly_paths();
  for (const char* path :
       {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"})
    EXPECT_NE(std::ranges::find(read_only, path), read_only.end()) << path;
}

// A start does not pay for the compiler: what lies in the cache is what is loaded.
TEST_F(ProfileTest, IsCompiledOnce) {
  fixture::TemporaryDirectory cache;
  std::string first = default_seccomp_filter(default_capabilities(), cache.path());
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(cache.path()))
    files.push_back(entry.path());
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(read_file(files[0]), first);
  replace_file(files[0], "from the cache", 0600);
  EXPECT_EQ(default_seccomp_filter(default_capabilities(), cache.path()), "from the cache");
  // Other rights are another filter.
  EXPECT_NE(default_seccomp_filter({}, cache.path()), "from the cache");
}

}  // namespace
}  // namespace pcompose::engine
