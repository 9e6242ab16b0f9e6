#include "engine/container_ids.h"

#include <algorithm>
#include <linux/securebits.h>
#include <sched.h>
#include <sstream>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/plan_parts.h"

namespace pcompose::engine {
namespace {

std::vector<IdMapping> read_map(const std::string& path) {
  std::istringstream text(read_file(path));
  std::vector<IdMapping> out;
  for (IdMapping m; text >> m.container_id >> m.host_id >> m.size;) out.push_back(m);
  return out;
}

}  // namespace

std::optional<uint32_t> id_outside(const std::vector<IdMapping>& mappings, uint32_t inside) {
  for (const IdMapping& m : mappings) {
    if (inside >= m.container_id && inside - m.container_id < m.size)
      return m.host_id + (inside - m.container_id);
  }
  return std::nullopt;
}

std::vector<IdMapping> whole_range(IdRange range) {
  return {{.container_id = 0, .host_id = range.first, .size = range.size}};
}

std::vector<IdMapping> keep_id(uint32_t own, uint32_t count) {
  uint32_t others = count - 1, below = std::min(own, others);
  std::vector<IdMapping> out;
  if (below > 0) out.push_back({.container_id = 0, .host_id = 1, .size = below});
  out.push_back({.container_id = own, .host_id = 0, .size = 1});
  if (others > below)
    out.push_back({.container_id = own + 1, .host_id = below + 1, .size = others - below});
  return out;
}

Plan user_namespace_plan() {
  Plan plan(CLONE_NEWUSER | CLONE_NEWNET);
  plan.add(op(launch::OpCode::park));
  return plan;
}

void show_through(int tree, int user_namespace) {
  launch::MountAttributes shown{.set = launch::kAttrIdmap,
                                .user_namespace = static_cast<uint64_t>(user_namespace)};
  if (::syscall(SYS_mount_setattr, tree, "", launch::kAtEmptyPath, &shown, sizeof shown) != 0)
    throw Error::from_errno("show its owners through a user namespace")
        .hint("its file system has to be one with idmapped mounts: ext4, xfs, btrfs");
}

void make_files_as(uint32_t uid, uint32_t gid) {
  if (uid == 0 && gid == 0) return;
  // capabilities(7), "Effect of user ID changes on capabilities".
  if (::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) != 0)
    throw Error::from_errno("keep the rights of root");
  ::setfsgid(gid);
  ::setfsuid(uid);
}

ContainerIds ids_of_process(pid_t pid) {
  return {read_map(fmt::format("/proc/{}/uid_map", pid)),
          read_map(fmt::format("/proc/{}/gid_map", pid))};
}

}  // namespace pcompose::engine
