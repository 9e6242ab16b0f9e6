// A canonical tree in the shape that `config` prints.
#pragma once

#include "base/json.h"
#include "compose/config_output.h"
#include "compose/model.h"

namespace pcompose::compose {

// Names sorted, empty lists left out, extensions kept at the top level only. `escape`: attributes
// stand in the order of the schema, and a dollar sign is doubled, so that the output is a compose
// file again. `keep`: what is not interpolated is sorted whole, as docker compose sorts it.
enum class Dollars { escape, keep };
json::value tree_to_json(const Model& model, Dollars dollars, ConfigFormat format);

// `step` is what every level is indented by; a newline at the end.
std::string json_text(const json::value& value, std::string_view step = "  ");
std::string yaml_text(const json::value& value, std::string_view step = "  ");

}  // namespace pcompose::compose
