// Files without a name, in memory (memfd_create(2)): input for a program that may not read it, and
// the place of what a program says. A pipe would block one of the two.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"

namespace pcompose {

// Read from its start. `name` shows in /proc only. Throws Error.
Fd memory_file(const char* name, std::string_view text = "");

// The last line, of the last 4096 bytes, that is not empty: what a program said before it gave up.
// "" where there is none.
std::string last_line(int file);

}  // namespace pcompose
