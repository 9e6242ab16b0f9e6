// What must fit together in the merged tree, before anything is made from it.
#pragma once

#include "compose/diagnostics.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// Reports references to what is not defined, attributes that exclude each other, cycles. `disabled`
// holds the services of inactive profiles.
void check_consistency(const Node& root, const Node& disabled, Diagnostics& diagnostics);

}  // namespace pcompose::compose
