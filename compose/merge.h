// How one file's values meet those of the files before it.
#pragma once

#include "compose/schema.h"
#include "compose/yaml_node.h"

namespace pcompose::compose {

// Lays the canonical mapping `over` onto the canonical mapping `base` (empty at first) by the rules
// of the compose specification: mappings deeply, lists by the identity that their attribute has,
// commands whole. !reset removes, !override replaces. A replaced value's origin leads to what it
// replaced.
void merge(Node& base, Node over, const Object& object);

}  // namespace pcompose::compose
