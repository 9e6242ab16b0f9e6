#include "engine/container_ids.h"

#include <algorithm>
#include <linux/securebits.h>
#include <sched.h>
#include <sstream>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/plan_parts.h"
#include "engine/rootless/id_maps.h"

namespace pcompose::engine {
namespace {

constexpr uint32_t kNobody = 65534;
constexpr const char* kIdsFile = "/ids";

std::vector<IdMapping> read_map(const std::string& content) {
  std::istringstream text(content);
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

uint32_t id_inside(const std::vector<IdMapping>& mappings, uint32_t outside) {
  if (mappings.empty()) return outside;
  for (const IdMapping& m : mappings) {
    if (outside >= m.host_id && outside - m.host_id < m.size)
      return m.container_id + (outside - m.host_id);
  }
  return kNobody;
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
  struct stat ours{}, theirs{};
  std::string space = fmt::format("/proc/{}/ns/user", pid);
  if (::stat("/proc/self/ns/user", &ours) != 0 || ::stat(space.c_str(), &theirs) != 0)
    throw Error::from_errno("look at " + space);
  // Its map would tell of the namespace above ours.
  if (ours.st_ino == theirs.st_ino) return {};
  return {read_map(read_file(fmt::format("/proc/{}/uid_map", pid))),
          read_map(read_file(fmt::format("/proc/{}/gid_map", pid)))};
}

ContainerIds read_ids(const std::string& state) {
  std::string path = state + kIdsFile;
  if (::access(path.c_str(), F_OK) != 0) return {};
  std::string text = read_file(path);
  size_t users = text.find("\n\n");
  if (users == std::string::npos) throw Error(path + " holds no two maps");
  return {read_map(text.substr(0, users)), read_map(text.substr(users))};
}

void write_ids(const std::string& state, const ContainerIds& ids) {
  replace_file(state + kIdsFile, rootless::map_text(ids.uids) + "\n" + rootless::map_text(ids.gids),
               0600);
}

}  // namespace pcompose::engine
