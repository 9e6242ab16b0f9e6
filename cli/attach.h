// An attached `up`: logs until everything has ended; Ctrl-C stops, twice kills.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/log_printer.h"

namespace pcompose::cli {

struct AttachOptions {
  std::vector<std::string> services;  // these stop after Ctrl-C and where one end ends all
  std::vector<std::string> counted;   // it is over when these have ended
  std::vector<std::string> shown;     // these are printed
  bool abort_on_exit = false;         // the first container that ends ends all
  bool abort_on_failure = false;      // … that ends with another code than 0
  bool menu = false;                  // keys are taken from the terminal
  std::string exit_code_from;         // whose code is ours; "": the one that ended all
  LogFormat format;
};
// Shows what was printed since `since`. Returns the exit code: 0 where all containers ended by
// themselves or the user detached, 130 after Ctrl-C, a container's where the options ask for it.
int attach(const Globals& globals, const Roots& roots, const std::string& project,
           const AttachOptions& options, WallTime since);

}  // namespace pcompose::cli
