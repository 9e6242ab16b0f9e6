// From files to a Project.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compose/project.h"

namespace pcompose::compose {

// Where files come from: the disk, or a map in tests.
class FileReader {
 public:
  virtual ~FileReader() = default;
  // The content of a regular file; nullopt where there is none. Throws Error on anything else (a
  // directory, no permission, longer than 8 MiB).
  [[nodiscard]] virtual std::optional<std::string> read(const std::string& path) const = 0;
  // True where `path` names something that read() could read.
  [[nodiscard]] virtual bool exists(const std::string& path) const = 0;
  [[nodiscard]] virtual bool is_directory(const std::string& path) const = 0;
  // Standard input, for `-f -`. Throws Error.
  [[nodiscard]] virtual std::string standard_input() const = 0;
};

class DiskFiles final : public FileReader {
 public:
  [[nodiscard]] std::optional<std::string> read(const std::string& path) const override;
  [[nodiscard]] bool exists(const std::string& path) const override;
  [[nodiscard]] bool is_directory(const std::string& path) const override;
  [[nodiscard]] std::string standard_input() const override;
};

// What to do with an attribute that is in the compose specification but that pcompose cannot do
// yet.
enum class Unsupported { refuse, warn };

// Everything that load() takes into account. All lists and texts but the last two may be empty.
struct LoadOptions {
  std::vector<std::string> files;  // -f; "-" is standard input; empty: COMPOSE_FILE, then search
  std::string project_name;        // -p
  std::string project_directory;   // --project-directory
  std::vector<std::string> env_files;  // --env-file; empty: COMPOSE_ENV_FILES, then <project>/.env
  std::vector<std::string> profiles;   // --profile; empty: COMPOSE_PROFILES
  // Services named on the command line: the profiles of a disabled one become active.
  std::vector<std::string> services;
  Unsupported unsupported = Unsupported::refuse;
  // False for whom environments and labels do not matter: env files may be missing then.
  bool resolve_environment = true;
  bool all_resources = false;  // networks, volumes, … that no service uses stay in the project
  std::map<std::string, std::string> environment;  // of this process
  std::string working_directory;                   // absolute; of this process
};

// The environment and the working directory of this process; all else empty. $PWD is taken where it
// names the same directory, so that a symbolic link keeps its name.
LoadOptions options_from_process();

// Reads, interpolates, merges, checks. Throws ComposeError with everything that is wrong in all the
// files at once, or Error where a file cannot be read, no file is found (exit code 14), or the
// project name is unfit. What is only dubious is in Project::warnings.
Project load(const LoadOptions& options, const FileReader& files);

}  // namespace pcompose::compose
