// The user's line with a mark under the place, for a terminal.
#pragma once

#include <string>

#include "base/error.h"

namespace pcompose::cli {

// The diagnostic's text, below it its line and a caret. Only the text where the file cannot be read
// (standard input, a remote file) or has no such line.
std::string with_excerpt(const Diagnostic& diagnostic);

}  // namespace pcompose::cli
