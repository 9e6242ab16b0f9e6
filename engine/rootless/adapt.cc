#include "engine/rootless/adapt.h"

#include <sched.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/launch/kernel_abi.h"
#include "engine/rootless/own_ids.h"

namespace pcompose::engine::rootless {
namespace {

bool shows_the_hosts(const Mount& mount, const Linux& linux) {
  auto is_new = [&](uint64_t flag) { return (linux.new_namespaces & flag) != 0; };
  if (mount.type == "proc") return !is_new(CLONE_NEWPID);
  if (mount.type == "mqueue") return !is_new(CLONE_NEWIPC);
  return mount.type == "sysfs" && !is_new(CLONE_NEWNET) && linux.network_namespace < 0;
}

void without_unknown_group(Mount& devpts) {
  constexpr std::string_view kTtyGroup = ",gid=5";
  size_t at = devpts.data.find(kTtyGroup);
  if (at != std::string::npos && !group_exists(5)) devpts.data.erase(at, kTtyGroup.size());
}

Error no_such_id(const char* what, uint32_t id) {
  return Error(fmt::format("{} {} does not exist in this user's namespace", what, id))
      .hint("give the user larger ranges in /etc/subuid and /etc/subgid, or run as root");
}

}  // namespace

void adapt(ContainerSpec& spec) {
  spec.linux.bind_devices = true;
  std::erase_if(spec.mounts, [&](const Mount& m) {
    return shows_the_hosts(m, spec.linux) && ::access(m.destination.c_str(), F_OK) != 0;
  });
  for (Mount& mount : spec.mounts) {
    if (mount.type == "devpts") without_unknown_group(mount);
    if (!shows_the_hosts(mount, spec.linux)) continue;
    mount.attributes = launch::kAttrNoSuid | launch::kAttrNoDev | launch::kAttrNoExec;
    if (mount.type == "sysfs") mount.attributes |= launch::kAttrReadOnly;
    mount.source = mount.destination;
    mount.type = "bind";
    mount.flags = 0;
    mount.data.clear();
    mount.recursive = true;  // what lies beneath may not be uncovered (mount_namespaces(7))
  }
}

void adapt(User& user, const std::vector<uint32_t>& asked_for) {
  if (!user_exists(user.uid)) throw no_such_id("user", user.uid);
  if (!group_exists(user.gid)) throw no_such_id("group", user.gid);
  for (uint32_t id : asked_for) {
    if (!group_exists(id) || has_single_id()) throw no_such_id("group", id);
  }
  if (has_single_id()) user.additional_gids.clear();
}

}  // namespace pcompose::engine::rootless
