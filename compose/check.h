// What must fit together in the merged tree, before anything is made from it.
#pragma once

#include "compose/diagnostics.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// With --no-interpolate a variable may stand where a value is due, and is no error there.
enum class Values { final, as_written };

// Reports references to what is not defined, attributes that exclude each other, cycles. `disabled`
// holds the services of inactive profiles.
void check_consistency(const Node& root, const Node& disabled, Values values,
                       Diagnostics& diagnostics);

}  // namespace pcompose::compose
