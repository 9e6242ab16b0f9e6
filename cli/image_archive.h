// Images in archives and directories: image save, load and import.
#pragma once

#include "cli/command.h"

namespace pcompose::cli {

void add_image_archives(CLI::App* image, Run& run);
// In push.cc.
void add_image_push(CLI::App* image, Globals& globals, Run& run);

}  // namespace pcompose::cli
