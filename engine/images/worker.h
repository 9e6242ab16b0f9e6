// Running pcompose-images.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/roots.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// Starts the worker for `job` with `input` as its source or request (in memory only: it may hold
// passwords), `second` (maybe nothing) as kSecondFd, and gives `reader` its report as it comes.
// Blocks until it has ended. Throws the worker's Error, or one that says how it died.
void run_image_worker(const std::string& job, const Fd& input, const Roots& roots,
                      ReportReader& reader, const Fd& second = Fd());

}  // namespace pcompose::engine
