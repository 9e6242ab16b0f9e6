#include "compose/project_files.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "compose/dotenv.h"
#include "compose/paths.h"

namespace pcompose::compose {
namespace {

constexpr int kNoFileExitCode = 14;  // what docker compose ends with

constexpr std::array<std::string_view, 4> kNames{"compose.yaml", "compose.yml",
                                                 "docker-compose.yml", "docker-compose.yaml"};
constexpr std::array<std::string_view, 4> kOverrides{
    "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml",
    "docker-compose.override.yaml"};

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t end = std::min(text.find(separator), text.size());
    if (end > 0) out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + separator.size(), text.size()));
  }
  return out;
}

// Holds what grows while files are found: each step may depend on a variable that an earlier one
// read.
class Finder {
 public:
  Finder(const LoadOptions& options, const FileReader& files) : options_(options), files_(files) {
    out_.working_directory = clean_path(options.working_directory);
    for (const auto& [name, value] : options.environment)
      out_.environment.try_emplace(name, Setting{value, {}});
    out_.environment.try_emplace("PWD", Setting{out_.working_directory, {}});
  }

  ProjectFiles run() {
    read_environment();
    choose_files();
    choose_directory();
    // The directory is known for certain only now; what was read before stays.
    if (uses_default_env_file()) read_env_file(out_.project_directory + "/.env", Missing::fine);
    choose_profiles();
    choose_name();
    return std::move(out_);
  }

 private:
  enum class Missing { fine, error };

  [[nodiscard]] std::string absolute(const std::string& path) const {
    return join_path(out_.working_directory, path);
  }
  [[nodiscard]] std::string variable(std::string_view name) const {
    auto it = out_.environment.find(name);
    return it == out_.environment.end() ? "" : it->second.value;
  }

  std::vector<std::string> env_files() {
    if (!options_.env_files.empty()) return options_.env_files;
    return split(variable("COMPOSE_ENV_FILES"), ",");
  }

  bool uses_default_env_file() {
    std::string off = variable("COMPOSE_DISABLE_ENV_FILE");
    return env_files().empty() && off != "1" && off != "true";
  }

  void read_environment() {
    std::vector<std::string> named = env_files();
    if (uses_default_env_file()) {
      read_env_file(likely_directory() + "/.env", Missing::fine);
      return;
    }
    // A later file wins over an earlier one, the process's environment over both.
    Environment collected;
    for (const std::string& path : named) {
      for (Variable& v : parse_env_file(absolute(path), Missing::error, collected)) {
        if (v.value)
          collected.insert_or_assign(v.name,
                                     Setting{*v.value, {out_.shown(absolute(path)), v.line, 1}});
      }
    }
    out_.environment.insert(collected.begin(), collected.end());
  }

  // Where .env most likely is before it is read: it may itself name the compose files.
  std::string likely_directory() {
    if (!options_.project_directory.empty()) return absolute(options_.project_directory);
    if (options_.files.empty() || options_.files.front() == "-") return out_.working_directory;
    return directory_of(absolute(options_.files.front()));
  }

  std::vector<Variable> parse_env_file(const std::string& path, Missing missing,
                                       const Environment& above) {
    auto text = files_.read(path);
    if (!text && missing == Missing::fine) return {};
    if (!text) throw Error(fmt::format("couldn't find env file: {}", path));
    auto lookup = [&](std::string_view name) -> std::optional<std::string> {
      if (auto value = lookup_in(out_.environment)(name)) return value;
      return lookup_in(above)(name);
    };
    return parse_dotenv(*text, out_.shown(path), lookup);
  }

  void read_env_file(const std::string& path, Missing missing) {
    Environment found;
    for (Variable& v : parse_env_file(path, missing, {})) {
      if (v.value) found.insert_or_assign(v.name, Setting{*v.value, {out_.shown(path), v.line, 1}});
    }
    out_.environment.insert(found.begin(), found.end());
  }

  void choose_files() {
    std::vector<std::string> named = options_.files;
    if (named.empty()) {
      std::string separator = variable("COMPOSE_PATH_SEPARATOR");
      named = split(variable("COMPOSE_FILE"), separator.empty() ? ":" : separator);
    }
    for (const std::string& file : named) out_.files.push_back(file == "-" ? file : absolute(file));
    if (out_.files.empty()) search(likely_directory());
  }

  void search(std::string directory) {
    while (true) {
      std::vector<std::string> found = present(directory, kNames);
      if (!found.empty()) {
        add_found(found, present(directory, kOverrides));
        return;
      }
      if (directory == "/") break;
      directory = directory_of(directory);
    }
    Error error("no configuration file provided: not found");
    error.hint("make a compose.yaml here or in a directory above, or name one with -f");
    throw error.exit_code(kNoFileExitCode);
  }

  [[nodiscard]] std::vector<std::string> present(const std::string& directory,
                                                 std::span<const std::string_view> names) const {
    std::vector<std::string> out;
    for (std::string_view name : names) {
      std::string path = join_path(directory, name);
      if (files_.exists(path)) out.push_back(path);
    }
    return out;
  }

  void add_found(const std::vector<std::string>& found, const std::vector<std::string>& overrides) {
    for (const auto* candidates : {&found, &overrides}) {
      if (candidates->empty()) continue;
      out_.files.push_back(candidates->front());
      if (candidates->size() == 1) continue;
      std::string text = fmt::format("several compose files here; {} is used, {} is not",
                                     base_name(candidates->front()), base_name((*candidates)[1]));
      out_.warnings.push_back(
          {{out_.shown(candidates->front()), 0, 0}, "", text, Severity::warning});
    }
  }

  void choose_directory() {
    if (!options_.project_directory.empty()) {
      out_.project_directory = absolute(options_.project_directory);
    } else if (out_.files.front() == "-") {
      out_.project_directory = out_.working_directory;
    } else {
      out_.project_directory = directory_of(out_.files.front());
    }
  }

  void choose_profiles() {
    out_.profiles = options_.profiles;
    if (!out_.profiles.empty()) return;
    for (const std::string& name : split(variable("COMPOSE_PROFILES"), ",")) {
      size_t first = name.find_first_not_of(' '), last = name.find_last_not_of(' ');
      if (first != std::string::npos) out_.profiles.push_back(name.substr(first, last + 1 - first));
    }
  }

  void choose_name() {
    out_.project_name = options_.project_name;
    if (out_.project_name.empty()) out_.project_name = variable("COMPOSE_PROJECT_NAME");
    if (out_.project_name.empty() ||
        out_.project_name == normalized_project_name(out_.project_name))
      return;
    throw Error(
        fmt::format("invalid project name \"{}\": use lower-case letters, digits, '-' and '_', "
                    "beginning with a letter or a digit",
                    out_.project_name));
  }

  const LoadOptions& options_;
  const FileReader& files_;
  ProjectFiles out_;
};

}  // namespace

Lookup lookup_in(const Environment& environment) {
  return [&environment](std::string_view name) -> std::optional<std::string> {
    auto it = environment.find(name);
    return it == environment.end() ? std::nullopt : std::optional(it->second.value);
  };
}

std::string ProjectFiles::shown(const std::string& path) const {
  return shown_path(path, working_directory);
}

ProjectFiles find_project_files(const LoadOptions& options, const FileReader& files) {
  return Finder(options, files).run();
}

std::string normalized_project_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (alphanumeric || (!out.empty() && (c == '-' || c == '_'))) out += c;
  }
  return out;
}

}  // namespace pcompose::compose
