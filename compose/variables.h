// Which variables a model's texts name: `config --variables`.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "compose/yaml_node.h"

namespace pcompose::compose {

struct TemplateVariable {
  bool required = false;       // ${V:?…}
  std::string default_value;   // ${V:-…}
  std::string presence_value;  // ${V:+…}
};
using TemplateVariables = std::map<std::string, TemplateVariable>;

// Adds what `text` names, nested ones included. The first default that is found is kept.
void collect_variables(std::string_view text, TemplateVariables& out);
// The same for every text below `root`, which must not be interpolated yet.
void collect_variables(const Node& root, TemplateVariables& out);

}  // namespace pcompose::compose
