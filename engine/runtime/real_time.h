// Real time of cgroup v1: a group has a share of it only where the group above has one
// (scheduler/sched-rt-group.rst).
#pragma once

#include <string>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Before `group` gets what `cpu` says: its parent, which is ours and has none by itself, gets as
// much as all groups in it want. Throws Error.
void lend_real_time(const std::string& group, const CpuResources& cpu);

}  // namespace pcompose::engine::runtime
