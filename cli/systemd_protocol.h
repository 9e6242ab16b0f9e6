// systemd, by its files, signals and its notification socket: no library, no program.
#pragma once

#include <string>

#include "cli/systemd_unit.h"

namespace pcompose::cli {

// Tells who started us that everything is up, where $NOTIFY_SOCKET says where (sd_notify(3)); else
// nothing. Throws Error where the socket is there and does not take it.
void notify_ready(const std::string& status);

// Has the manager read its units again: SIGHUP (systemd(1), "SIGNALS"). False where none runs.
bool reload_units(Manager manager);

}  // namespace pcompose::cli
