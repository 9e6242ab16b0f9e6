// Which devices a container may make and open.
#pragma once

#include <linux/bpf.h>
#include <string>
#include <vector>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

// The rules of a container: those written, then what every container needs for its default devices
// (spec, config-linux, "Default Devices") unless a rule said otherwise of them.
std::vector<DeviceRule> effective_rules(const Linux& linux);

// "c 1:3 rwm", as devices.allow and devices.deny take it (cgroup-v1/devices.rst).
std::string rule_text(const DeviceRule& rule);

// The same rules as a program of type BPF_PROG_TYPE_CGROUP_DEVICE: the last rule that fits decides,
// none is a refusal. Pure.
std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);

// False where this kernel has no such programs, or where we may not load them (bpf(2)).
bool device_programs_load();

// Loads it and puts it in the place of what the v2 group had. Throws Error.
void attach_device_program(int group, const std::vector<DeviceRule>& rules);

}  // namespace pcompose::engine::runtime
