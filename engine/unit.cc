#include "engine/unit.h"

#include <cstdlib>
#include <sstream>
#include <unistd.h>

#include "engine/unit/protocol.h"

namespace pcompose::engine {
namespace {

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// sd_booted(3), without the library.
bool systemd_runs() { return is_there("/run/systemd/system"); }

// Of a user that is logged in, or lingers.
std::string user_directory() {
  const char* given = std::getenv("XDG_RUNTIME_DIR");
  return given != nullptr && *given == '/' ? given : "/run/user/" + std::to_string(::getuid());
}

}  // namespace

std::string unit_name(const Roots& roots, const std::string& of) {
  return roots.tag + "-" + of + ".scope";
}

std::string group_of_unit(const std::string& own_groups, const std::string& name) {
  std::istringstream lines(own_groups);
  std::string end = "/" + name;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::")) continue;
    std::string path = line.substr(3);
    if (path.ends_with(end + unit::kLeaf))
      path.resize(path.size() - std::string_view(unit::kLeaf).size());
    return path.ends_with(end) ? path : "";
  }
  return "";
}

void put_into_unit(SpawnOptions& options, const Roots& roots, const std::string& of) {
  if (!systemd_runs()) return;
  std::string directory = user_directory();
  if (roots.rootless && !is_there(directory + "/systemd/private")) return;
  std::string program = options.program.empty() ? options.argv.front() : options.program;
  std::vector<std::string> argv = {own_program("pcompose-unit"),
                                   roots.rootless ? directory : "/run", unit_name(roots, of),
                                   "pcompose " + of, program};
  argv.insert(argv.end(), options.argv.begin(), options.argv.end());
  options.argv = std::move(argv);
  options.program.clear();
}

}  // namespace pcompose::engine
