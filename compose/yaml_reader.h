// YAML text to node trees.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compose/yaml_node.h"

namespace pcompose::compose {

// The documents of a file, aliases and merge keys (<<) resolved; `shown_as` names the file in every
// position. Empty documents are left out. Throws ComposeError with a position on: bad syntax, a
// duplicate key, a key that is no string, an unknown anchor, a top level that is no mapping,
// nesting deeper than 200, aliases that expand to more than 100000 nodes (a "billion laughs" file).
std::vector<Node> read_yaml(std::string_view text, const std::string& shown_as);

}  // namespace pcompose::compose
