#include "scheduler/shared_spaces.h"

#include <algorithm>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/pidfd.h"
#include "compose/json.h"
#include "scheduler/sharing.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

// The thread ends with it: nothing else may ever run there.
Fd clone_shm_here(const Fd& space) {
  // A mount namespace is entered with a root and a working directory of one's own (setns(2)).
  if (::unshare(CLONE_FS) != 0 || ::setns(space.get(), CLONE_NEWNS) != 0)
    throw Error::from_errno("enter its mount namespace");
  Fd root = open_file("/", O_PATH | O_DIRECTORY);
  // The container may have put anything there, links that lead elsewhere, say.
  Fd shm = open_within(root.get(), "dev/shm", O_PATH | O_DIRECTORY, Resolve::no_links);
  struct statfs info{};
  if (::fstatfs(shm.get(), &info) != 0 || info.f_type != TMPFS_MAGIC)
    throw Error("its /dev/shm is no tmpfs");
  constexpr unsigned kFlags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
  int tree = static_cast<int>(::syscall(SYS_open_tree, shm.get(), "", kFlags));
  if (tree < 0) throw Error::from_errno("clone its /dev/shm");
  return Fd(tree);
}

// Of that process and no other: a pid may have become another's.
Fd open_namespace(const ContainerRow& row, const char* kind) {
  Fd space = open_file(fmt::format("/proc/{}/ns/{}", row.pid, kind), O_RDONLY);
  if (process_start_time(row.pid) != row.pid_start)
    throw Error("container " + row.name + " does not run").hint("start it first");
  return space;
}

// As docker has it: an ipc namespace is there for others where nobody said that it is not.
void require_shareable(const ContainerRow& row, const compose::Service& owner) {
  if (owner.ipc == "host") {
    throw Error("container " + row.name + " has the host's ipc namespace")
        .hint("write ipc: host here, too");
  }
  if (owner.ipc != "private" && owner.ipc != "none") return;
  throw Error(fmt::format("the ipc namespace of {} is {}", row.name, owner.ipc))
      .hint(fmt::format("write ipc: shareable at service {}", owner.name));
}

}  // namespace

void SharedSpaces::apply(engine::ContainerSpec& spec) const {
  for (const auto& [type, fd] : namespaces) spec.linux.namespaces.emplace_back(type, fd.get());
  if (!shm) return;
  std::erase_if(spec.mounts, [](const engine::Mount& m) { return m.destination == "/dev/shm"; });
  engine::Mount mount;
  mount.type = "bind";
  mount.tree = shm.get();
  mount.destination = "/dev/shm";
  spec.mounts.push_back(mount);
}

Task<Fd> clone_shm(pid_t pid) {
  Fd space = open_file(fmt::format("/proc/{}/ns/mnt", pid), O_RDONLY);
  LoopThread thread("shm");
  co_return co_await thread.run([&] { return clone_shm_here(space); });
}

Task<> Supervisor::share_ipc(const std::string& mode, SharedSpaces& out) {
  ContainerRow owner = container_of(mode);
  require_shareable(owner, compose::service_from_json(json::parse(owner.service_json)));
  out.namespaces.emplace_back(CLONE_NEWIPC, open_namespace(owner, "ipc"));
  out.shm = co_await clone_shm(owner.pid);
}

Task<SharedSpaces> Supervisor::share_spaces(const compose::Service& service) {
  SharedSpaces out;
  std::string key = "ipc";
  try {
    if (names_another(service.ipc)) co_await share_ipc(service.ipc, out);
    key = "pid";
    if (names_another(service.pid))
      out.namespaces.emplace_back(CLONE_NEWPID, open_namespace(container_of(service.pid), "pid"));
  } catch (Error& e) {
    throw e.add(key + ": " + (key == "ipc" ? service.ipc : service.pid)).at(service.origin(key));
  }
  co_return out;
}

}  // namespace pcompose::scheduler
