// `logging:` of a service: how much of its output is kept.
#pragma once

#include "compose/project.h"
#include "engine/output/log_files.h"

namespace pcompose::scheduler {

// What max-size and max-file say, each where it is missing the default; the driver none keeps
// nothing.
engine::LogLimits log_limits_of(const compose::Service& service);

}  // namespace pcompose::scheduler
