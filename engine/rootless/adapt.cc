#include "engine/rootless/adapt.h"

#include <sched.h>
#include <unistd.h>
#include <vector>

#include "engine/launch/kernel_abi.h"

namespace pcompose::engine::rootless {
namespace {

bool shows_the_hosts(const Mount& mount, const Linux& linux) {
  auto is_new = [&](uint64_t flag) { return (linux.new_namespaces & flag) != 0; };
  if (mount.type == "proc") return !is_new(CLONE_NEWPID);
  if (mount.type == "mqueue") return !is_new(CLONE_NEWIPC);
  return mount.type == "sysfs" && !is_new(CLONE_NEWNET) && linux.network_namespace < 0;
}

}  // namespace

void adapt(ContainerSpec& spec) {
  spec.linux.bind_devices = true;
  std::erase_if(spec.mounts, [&](const Mount& m) {
    return shows_the_hosts(m, spec.linux) && ::access(m.destination.c_str(), F_OK) != 0;
  });
  for (Mount& mount : spec.mounts) {
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

}  // namespace pcompose::engine::rootless
