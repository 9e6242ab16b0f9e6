// Where a value came from: `config --explain`.
#pragma once

#include <ostream>
#include <string>

#include "compose/config_output.h"
#include "compose/model.h"

namespace pcompose::compose {

// Writes every value at `path` (services.web.ports, services.web.environment.A, …) and below, with
// the places that made it: where it stands, what was written there, the variables and their
// sources, and each alias, include, extends and override on the way. As JSON: a list of {path,
// value, place, written, variables, chain}. Throws Error where there is nothing at `path`, naming
// what is there.
void explain(const Model& model, const std::string& path, ConfigFormat format, std::ostream& out);

}  // namespace pcompose::compose
