#include "engine/file_system.h"

#include <sstream>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::engine {

std::string file_system_of(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return "unknown";
  std::string device =
      fmt::format("{}:{}", ::gnu_dev_major(status.st_dev), ::gnu_dev_minor(status.st_dev));
  try {
    std::istringstream lines(read_file("/proc/self/mountinfo"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string id, parent, number, type;
      words >> id >> parent >> number;
      size_t dash = line.find(" - ");
      if (number != device || dash == std::string::npos) continue;
      std::istringstream(line.substr(dash + 3)) >> type;
      return type;
    }
  } catch (const Error&) {
    // /proc may be hidden.
  }
  return "unknown";
}

}  // namespace pcompose::engine
