// Which files make up the project, and which variables they see.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compose/diagnostics.h"
#include "compose/interpolate.h"
#include "compose/load.h"

namespace pcompose::compose {

struct Setting {
  std::string value;
  Position place;  // in an env file; unknown: the environment of this process
};
using Environment = std::map<std::string, Setting, std::less<>>;

// Looks in `environment`, which must outlive it.
Lookup lookup_in(const Environment& environment);

// What load() is asked for, with every default filled in.
struct ProjectFiles {
  std::vector<std::string> files;  // absolute, in order; "-" for standard input
  std::string project_directory;   // absolute
  std::string working_directory;   // absolute; positions are shown relative to it
  Environment environment;         // of the process, over what the env files say
  std::vector<std::string> profiles;
  std::string project_name;  // -p or COMPOSE_PROJECT_NAME; "" where neither is given
  std::vector<Diagnostic> warnings;

  [[nodiscard]] std::string shown(const std::string& path) const;
};

// Reads the env files and looks for compose files. Throws Error where no compose file is found
// (exit code 14), an env file that was asked for is missing or the project name is unfit;
// ComposeError on a bad env file.
ProjectFiles find_project_files(const LoadOptions& options, const FileReader& files);

// Lower case, without what a name may not hold: "My Project.1" -> "myproject1".
std::string normalized_project_name(std::string_view name);

}  // namespace pcompose::compose
