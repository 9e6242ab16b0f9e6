// linux.netDevices: network devices of the host that become the container's (config-linux,
// "Network Devices").
#pragma once

#include <vector>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Moves each device from our network namespace into the open one `target`, under the name it is to
// have there. It takes its permanent global addresses along, which the kernel forgets, and is up.
// For single-threaded programs: enters `target` for a moment. Throws Error with the place in
// config.json; a device whose move failed half-way is back where it was, those before it are not.
void move_net_devices(const std::vector<NetDevice>& devices, int target);

}  // namespace pcompose::engine::runtime
