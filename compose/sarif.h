// Diagnostics for editors and CI.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pcompose::compose {

// A SARIF 2.1.0 log (docs.oasis-open.org/sarif/sarif/v2.1.0) with one run and one result for each
// diagnostic. A diagnostic without a place gets no location.
std::string sarif_text(const std::vector<Diagnostic>& diagnostics, std::string_view version);

}  // namespace pcompose::compose
