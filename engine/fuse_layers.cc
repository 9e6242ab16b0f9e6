#include "engine/fuse_layers.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/process.h"
#include "engine/launch/kernel_abi.h"
#include "engine/plan_parts.h"

namespace pcompose::engine {

using launch::Op;
using launch::OpCode;

namespace {

constexpr int kPatienceMs = 30000;

bool is_mounted(const std::string& path) {
  struct statx status{};
  if (::statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &status) != 0)
    return false;
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace

std::string fuse_program() {
  try {
    open_file("/dev/fuse", O_RDWR);
  } catch (const Error&) {
    return "";  // no module, or not for this user
  }
  for (const char* path : {"/usr/bin/fuse-overlayfs", "/usr/local/bin/fuse-overlayfs"})
    if (::access(path, X_OK) == 0) return path;
  return "";
}

namespace {

std::vector<std::string> arguments(const std::string& program, const Root& root) {
  // dev, suid: what the container may do with them is decided where it mounts.
  return {program, "-f", "-o",
          fmt::format("dev,suid,lowerdir={},upperdir={},workdir={}", fmt::join(root.lower, ":"),
                      root.upper, root.work),
          root.path};
}

std::vector<std::string> environment() { return {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}; }

}  // namespace

Plan fuse_plan(const std::string& program, const Root& root, int output) {
  Process process;
  process.program = program;
  process.cwd = root.links;  // the layers' short names are relative to it
  process.args = arguments(program, root);
  process.env = environment();
  process.stdio[1] = process.stdio[2] = output;
  Plan plan(CLONE_NEWNS);
  // What the host unmounts must go here, too.
  Op follow = op(OpCode::propagation);
  follow.s1 = plan.text("/");
  follow.arg = MS_REC | MS_SLAVE;
  plan.add(follow);
  plan.add(op(OpCode::session));
  add_stdio(plan, process);
  add_working_directory(plan, process);
  add_exec(plan, process);
  return plan;
}

Fd take_fuse_mount(pid_t pid, const Pidfd& program, const std::string& path) {
  std::string process = fmt::format("/proc/{}", pid);
  // From here on it tells of every new mount: proc_pid_mountinfo(5).
  Fd mounts = open_file(process + "/mountinfo", O_RDONLY);
  Fd space = open_file(process + "/ns/mnt", O_RDONLY);
  if (::unshare(CLONE_FS) != 0 || ::setns(space.get(), CLONE_NEWNS) != 0)
    throw Error::from_errno("enter the mount namespace of fuse-overlayfs");
  auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!is_mounted(path)) {
    pollfd wait[] = {{mounts.get(), POLLPRI, 0}, {program.get(), POLLIN, 0}};
    if (::poll(wait, 2, kPatienceMs) < 0 && errno != EINTR) throw Error::from_errno("poll");
    if (wait[1].revents != 0) throw Error("fuse-overlayfs ended before it had mounted");
    if (std::chrono::steady_clock::now() > end)
      throw Error("fuse-overlayfs has mounted nothing for half a minute");
  }
  constexpr unsigned kFlags = launch::kOpenTreeClone | O_CLOEXEC;
  int tree = static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), kFlags));
  if (tree < 0) throw Error::from_errno("take the mount of fuse-overlayfs");
  ::umount2(path.c_str(), MNT_DETACH);
  return Fd(tree);
}

Fd open_fuse_layers(const Root& root, const std::string& empty) {
  std::string program = fuse_program();
  if (program.empty())
    throw Error("its layers need fuse-overlayfs and /dev/fuse").hint("install fuse-overlayfs");
  if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) throw Error::from_errno("unshare mounts");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
    throw Error::from_errno("make mounts our own");
  Fd before = open_file(".", O_PATH | O_DIRECTORY);
  Root there = root;
  there.path = empty;
  SpawnOptions options;
  options.argv = arguments(program, there);
  options.environment = environment();
  options.directory = root.links;
  Fd null = open_file("/dev/null", O_RDWR);
  options.fds = {{null.get(), 0}, {null.get(), 1}, {null.get(), 2}};
  Child child = spawn(options);
  Fd tree = take_fuse_mount(child.pid(), child.pidfd(), empty);
  // It writes out what is left after our end, and ends then.
  child.disown();
  if (::fchdir(before.get()) != 0) throw Error::from_errno("go back to the working directory");
  return tree;
}

}  // namespace pcompose::engine
