// devices:, device_cgroup_rules: and what `privileged` means for devices.
#pragma once

#include <vector>

#include "compose/project.h"
#include "engine/spec.h"

namespace pcompose::scheduler {

// The nodes to make: what `devices:` names on this machine (a directory: all in it), every node
// below /dev where the service is privileged. Throws Error where one is missing or no device.
std::vector<engine::Device> devices_of(const compose::Service& service);

}  // namespace pcompose::scheduler
