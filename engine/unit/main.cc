// pcompose-unit RUN UNIT DESCRIPTION PROGRAM ARGV0 ARG...: makes a delegated scope of systemd's
// manager (system: RUN is /run; user: $XDG_RUNTIME_DIR), or joins it, and executes the program in
// it. A program of its own, as only machines with systemd need the library, and only for a moment.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/runtime/control_group.h"
#include "engine/unit.h"
#include "engine/unit/protocol.h"
#include "engine/unit/scopes.h"

namespace pcompose::unit {
namespace {

constexpr int kAttempts = 100;

// v1 hierarchies have no such rule, and no group of the unit that limits could be set in.
void move_into_leaf(const std::string& name) {
  std::string group = engine::group_of_unit(read_file("/proc/self/cgroup"), name);
  if (group.empty()) throw Error("systemd did not move the process into its unit");
  for (const auto& h : engine::runtime::parse_hierarchies(read_file("/proc/self/mountinfo"))) {
    if (!h.v2) continue;
    std::string leaf = h.mount + group + kLeaf;
    if (::mkdir(leaf.c_str(), 0755) != 0 && errno != EEXIST)
      throw Error::from_errno("make the cgroup " + leaf);
    Fd procs = open_file(leaf + "/cgroup.procs", O_WRONLY);
    if (::write(procs.get(), "0", 1) != 1) throw Error::from_errno("join the cgroup " + leaf);
  }
}

void enter(const std::string& run, const std::string& name, const std::string& description) {
  Scopes scopes(run);
  for (int attempt = 0;; ++attempt) {
    if (scopes.start(name, description)) return move_into_leaf(name);
    try {
      // Of containers whose keeper was killed, or of a program before this one.
      return scopes.join(name, kLeaf);
    } catch (const Error&) {
      if (attempt == kAttempts) throw;
      ::usleep(20000);  // it has just ended, and systemd is about to forget it
    }
  }
}

}  // namespace
}  // namespace pcompose::unit

int main(int argc, char** argv) {
  if (argc < 6) {
    std::fputs("pcompose-unit is started by pcompose\n", stderr);
    return 2;
  }
  try {
    pcompose::unit::enter(argv[1], argv[2], argv[3]);
  } catch (const pcompose::Error& e) {
    std::fprintf(stderr,
                 "pcompose: warning: no unit of its own by systemd (%s): an ordinary user's limits "
                 "cannot be kept, and containers may end with the login\n",
                 e.message().c_str());
  }
  ::execv(argv[4], argv + 5);
  std::fprintf(stderr, "pcompose-unit: %s: %s\n", argv[4], std::strerror(errno));
  return 127;
}
