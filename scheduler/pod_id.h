// What a pod's endpoints and ports are rows of.
#pragma once

#include <string>

#include "base/roots.h"
#include "base/sha256.h"

namespace pcompose::scheduler {

// In the place of a container's id; the same for everybody who looks at the project.
inline std::string pod_id(const Roots& roots, const std::string& project) {
  return sha256_hex(roots.tag + "/pod/" + project);
}

}  // namespace pcompose::scheduler
