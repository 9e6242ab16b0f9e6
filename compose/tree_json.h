// A canonical tree in the shape that `config` prints.
#pragma once

#include "base/json.h"
#include "compose/config_output.h"
#include "compose/model.h"

namespace pcompose::compose {

// Keys sorted below the top level, empty lists left out, extensions kept at the top level only. A
// dollar sign is doubled where `escape` says so: the output is a compose file again.
enum class Dollars { escape, keep };
json::value tree_to_json(const Model& model, Dollars dollars, ConfigFormat format);

// Two blanks of indentation, a newline at the end.
std::string json_text(const json::value& value);
std::string yaml_text(const json::value& value);

}  // namespace pcompose::compose
