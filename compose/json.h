// The lossless JSON form of a Project: what the CLI sends to the supervisor and the state store
// keeps.
#pragma once

#include "base/json.h"
#include "compose/project.h"

namespace pcompose::compose {

// Holds positions and origins too, so that an error at run time can still name file:line:column.
// Fields at their default are left out.
json::value to_json(const Project& project);
json::value to_json(const Service& service);

// Ignores fields it does not know (a newer pcompose wrote them). Throws Error where a field has the
// wrong type, naming it.
Project project_from_json(const json::value& value);
Service service_from_json(const json::value& value);

}  // namespace pcompose::compose
