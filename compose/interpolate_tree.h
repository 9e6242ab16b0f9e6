// Variables in the values of a node tree.
#pragma once

#include <set>
#include <string>

#include "compose/diagnostics.h"
#include "compose/project_files.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// Replaces variables in every string value below `root`, keys excepted. A bad text is an error at
// its place; a variable without a value is a warning at its first use (`warned` remembers over
// several trees). A replaced value's origin keeps what was written and which variables it took.
void interpolate_tree(Node& root, const Environment& environment, Diagnostics& diagnostics,
                      std::set<std::string, std::less<>>& warned);

}  // namespace pcompose::compose
