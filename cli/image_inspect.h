// What is known about images, as docker image inspect and history show it.
#pragma once

#include <string>
#include <vector>

namespace pcompose::cli {

// A JSON array on stdout. Returns the exit code: 1 where one is missing.
int inspect_images(const std::vector<std::string>& references);
int show_history(const std::string& reference, bool no_trunc, bool quiet);

}  // namespace pcompose::cli
