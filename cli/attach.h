// An attached `up`: logs until everything has ended; Ctrl-C stops, twice kills.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/log_printer.h"

namespace pcompose::cli {

// Shows what was printed since `since`. Returns the exit code: 0 where all containers ended by
// themselves, 130 after Ctrl-C.
int attach(const Globals& globals, const Roots& roots, const std::string& project,
           const std::vector<std::string>& services, const LogFormat& format, WallTime since);

}  // namespace pcompose::cli
