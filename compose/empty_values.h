// Attributes that are written without a value.
#pragma once

#include "compose/diagnostics.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// `ports:` with nothing behind it: nothing new where an earlier file has ports, else most likely a
// mistake, and an error as in the schema. What is reported is taken out. `root` is the merged tree.
void refuse_empty_values(Node& root, Diagnostics& diagnostics);

}  // namespace pcompose::compose
