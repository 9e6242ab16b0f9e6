// The parts of `network`.
#pragma once

#include "cli/command.h"

namespace pcompose::cli {

void add_network_changes(CLI::App& network, Run& run);

}  // namespace pcompose::cli
