// A container's log on disk: generations 000001.log, 000002.log, … in one directory, the oldest
// removed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"

namespace pcompose::engine {

struct LogLimits {
  bool keep = true;                 // false: nothing is written
  uint64_t max_bytes = 10U << 20U;  // of one generation
  uint32_t max_files = 3;
};

// The defaults, or what PCOMPOSE_LOG_MAX_BYTES and PCOMPOSE_LOG_MAX_FILES say.
LogLimits log_limits_from_environment();

std::string log_file_name(uint32_t generation);
// The generations present, oldest first. An absent directory has none.
std::vector<uint32_t> log_generations(const std::string& directory);

}  // namespace pcompose::engine
