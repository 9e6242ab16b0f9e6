// JSON for people to read.
#pragma once

#include <string>

#include "base/json.h"

namespace pcompose::engine::runtime {

// Two blanks a level, a newline at the end.
std::string indented_json(const json::value& value);

}  // namespace pcompose::engine::runtime
