// The canonical tree to the typed Project.
#pragma once

#include "compose/diagnostics.h"
#include "compose/model.h"
#include "compose/project.h"

namespace pcompose::compose {

// Reports values that pcompose cannot do yet. The tree is canonical, so a malformed one is a bug
// here, but it is met with defaults all the same.
Project decode(const Model& model, Unsupported unsupported, Diagnostics& diagnostics);

}  // namespace pcompose::compose
