#include "compose/load.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "compose/decode.h"
#include "compose/model.h"
#include "compose/paths.h"

namespace pcompose::compose {
namespace {

constexpr size_t kMaxFileSize = 8U << 20U;

bool same_directory(const std::string& a, const std::string& b) {
  struct stat one{};
  struct stat other{};
  return ::stat(a.c_str(), &one) == 0 && ::stat(b.c_str(), &other) == 0 &&
         one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

std::string working_directory() {
  std::string buffer(4096, '\0');
  if (::getcwd(buffer.data(), buffer.size()) == nullptr) throw Error::from_errno("getcwd");
  return buffer.c_str();
}

}  // namespace

std::optional<std::string> DiskFiles::read(const std::string& path) const {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw Error::from_errno("read " + path);
  }
  if (S_ISDIR(info.st_mode)) throw Error("read " + path, EISDIR);
  return read_file(path, kMaxFileSize);
}

bool DiskFiles::exists(const std::string& path) const {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode);
}

bool DiskFiles::is_directory(const std::string& path) const {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string DiskFiles::standard_input() const { return read_all(STDIN_FILENO, kMaxFileSize); }

LoadOptions options_from_process() {
  LoadOptions options;
  for (const std::string& pair : current_environment()) {
    size_t equals = pair.find('=');
    if (equals != std::string::npos)
      options.environment[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  options.working_directory = working_directory();
  auto pwd = options.environment.find("PWD");
  if (pwd != options.environment.end() && pwd->second.starts_with('/') &&
      same_directory(pwd->second, options.working_directory)) {
    options.working_directory = clean_path(pwd->second);
  }
  return options;
}

Project load(const LoadOptions& options, const FileReader& files) {
  Diagnostics diagnostics;
  Model model = build_model(options, {}, files, diagnostics);
  Project project = decode(model, options.unsupported, diagnostics);
  diagnostics.throw_errors();
  project.warnings = diagnostics.warnings();
  return project;
}

}  // namespace pcompose::compose
