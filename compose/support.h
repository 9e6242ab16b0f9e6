// Attributes that pcompose cannot do yet: what counts is whether a service that is wanted has them.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compose/diagnostics.h"
#include "compose/load.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// One that stands in a file, whatever becomes of it when files are merged.
struct UnsupportedUse {
  OriginPtr origin;
  std::string path;
};

// Reports those that are still there in the merged tree `root`: as errors where `unsupported` is
// refuse and where a service in `needed`, or no service at all, has them; else as warnings.
void report_unsupported_uses(const std::vector<UnsupportedUse>& uses, const Node& root,
                             const std::set<std::string>& needed, Unsupported unsupported,
                             Diagnostics& diagnostics);

}  // namespace pcompose::compose
