// How much directories may hold: project quotas of ext4 and xfs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pcompose::engine {

// Everything in these empty directories, together, holds at most `bytes`: they become the quota
// project `project`, a number that nobody else has. Throws Error with the cure where the file
// system keeps no such quotas (mount option prjquota), or the caller is not root.
void limit_space(const std::vector<std::string>& directories, uint32_t project, uint64_t bytes);

}  // namespace pcompose::engine
