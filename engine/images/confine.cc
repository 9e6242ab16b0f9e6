#include "engine/images/confine.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

// linux/landlock.h of Debian 12 knows ABI 2 only, the rights of later ones are numbers here.
struct RulesetAttributes {
  uint64_t handled_files = 0;
  uint64_t handled_network = 0;  // ABI 4
  uint64_t scoped = 0;           // ABI 6
};

struct __attribute__((packed)) PathBeneath {
  uint64_t allowed = 0;
  int32_t parent = -1;
};

constexpr unsigned kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;
constexpr uint64_t kExecute = 1U << 0U;
constexpr uint64_t kReadFile = 1U << 2U;
constexpr uint64_t kReadDirectory = 1U << 3U;
// Execute to make_sym (ABI 1), refer (2), truncate (3), ioctl on devices (5).
constexpr uint64_t kAbi2 = (1U << 14U) - 1;
constexpr uint64_t kTruncate = 1U << 14U;
constexpr uint64_t kDeviceIoctl = 1U << 15U;
constexpr uint64_t kBind = 1, kConnect = 2;  // TCP
constexpr uint64_t kScopes = 3;              // abstract unix sockets, signals

RulesetAttributes handled(long abi, Network network) {
  RulesetAttributes out;
  out.handled_files = kAbi2;
  if (abi >= 3) out.handled_files |= kTruncate;
  if (abi >= 5) out.handled_files |= kDeviceIoctl;
  if (abi >= 4) out.handled_network = network == Network::connect ? kBind : kBind | kConnect;
  if (abi >= 6) out.scoped = kScopes;
  return out;
}

// The kernel takes a shorter structure where it knows a shorter one.
size_t size_for(long abi) {
  if (abi >= 6) return 24;
  return abi >= 4 ? 16 : 8;
}

void allow(int ruleset, int directory, uint64_t rights) {
  PathBeneath rule;
  rule.allowed = rights;
  rule.parent = directory;
  if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &rule, 0) != 0)
    throw Error::from_errno("landlock: allow a directory");
}

}  // namespace

namespace {

Confinement restrict_files(const Rights& rights) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw Error::from_errno("no_new_privs");
  long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersionFlag);
  // ABI 1 forbids links between directories, which layers have.
  if (abi < 2) return Confinement::none;
  RulesetAttributes attributes = handled(abi, rights.network);
  Fd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size_for(abi), 0)));
  if (!ruleset) throw Error::from_errno("landlock");
  for (int directory : rights.writable)
    allow(ruleset.get(), directory, attributes.handled_files & ~(kExecute | kDeviceIoctl));
  for (int file : rights.readable) {
    struct stat status{};
    if (::fstat(file, &status) != 0) throw Error::from_errno("fstat");
    allow(ruleset.get(), file, S_ISDIR(status.st_mode) ? kReadFile | kReadDirectory : kReadFile);
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    throw Error::from_errno("landlock");
  return Confinement::full;
}

}  // namespace

Confinement confine(const Rights& rights) {
  Confinement out = restrict_files(rights);
  allow_system_calls(rights.network);
  return out;
}

std::vector<Fd> open_network_files() {
  std::vector<Fd> out;
  for (const char* path :
       {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
        "/etc/services", "/etc/ld.so.cache", "/etc/ssl", "/etc/ca-certificates", "/etc/pki",
        "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/lib", "/lib",
        "/lib64", "/run/systemd/resolve", "/run/nscd"}) {
    Fd file(::open(path, O_PATH | O_CLOEXEC));
    if (file) out.push_back(std::move(file));
  }
  return out;
}

}  // namespace pcompose::engine
