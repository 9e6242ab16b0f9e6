#include "cli/command.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::cli {

compose::LoadOptions Globals::load_options(const std::vector<std::string>& services) const {
  compose::LoadOptions options = compose::options_from_process();
  options.files = files;
  options.project_name = project_name;
  options.project_directory = project_directory;
  options.env_files = env_files;
  options.profiles = profiles;
  options.services = services;
  options.all_resources = all_resources;
  return options;
}

compose::Project load_project(const Globals& globals, const std::vector<std::string>& services) {
  compose::Project project = compose::load(globals.load_options(services), compose::DiskFiles());
  for (const auto& w : project.warnings) fmt::print(stderr, "{}\n", w.str());
  if (globals.compatibility || is_true(project, "COMPOSE_COMPATIBILITY")) project.separator = "_";
  return project;
}

namespace {

const char* name_in_environment() {
  const char* named = std::getenv("COMPOSE_PROJECT_NAME");
  return named != nullptr && *named != '\0' ? named : nullptr;
}

json::object scope_of(const compose::Project& project) {
  json::array services, inactive, volumes;
  for (const auto& [name, service] : project.services) services.emplace_back(name);
  for (const auto& [name, service] : project.disabled_services) inactive.emplace_back(name);
  for (const auto& [key, volume] : project.volumes) {
    if (!volume.external) volumes.emplace_back(volume.name);
  }
  return {{"services", services}, {"inactive", inactive}, {"volumes", volumes}};
}

bool says_yes(std::string value) {
  static const std::set<std::string> kYes = {"1", "t", "true", "y", "yes", "on"};
  std::ranges::transform(value, value.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return kYes.contains(value);
}

}  // namespace

compose::Project load_what_is_there(const Globals& globals,
                                    const std::vector<std::string>& services) {
  compose::LoadOptions options = globals.load_options(services);
  options.unsupported = compose::Unsupported::warn;
  options.resolve_environment = false;
  return compose::load(options, compose::DiskFiles());
}

bool is_true(const compose::Project& project, const std::string& variable) {
  auto value = project.settings.find(variable);
  return value != project.settings.end() && says_yes(value->second);
}

int parallel_limit(const Globals& globals, const compose::Project* project) {
  constexpr const char* kVariable = "COMPOSE_PARALLEL_LIMIT";
  if (globals.parallel) return *globals.parallel;
  const char* own = std::getenv(kVariable);
  std::string text = own == nullptr ? "" : own;
  if (project != nullptr && project->settings.contains(kVariable))
    text = project->settings.at(kVariable);
  int limit = -1;
  const char* end = text.data() + text.size();
  if (!text.empty() && std::from_chars(text.data(), end, limit).ptr != end)
    throw Error(fmt::format("{} must be an integer (found: \"{}\")", kVariable, text));
  return limit;
}

bool is_true(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && says_yes(value);
}

std::string project_name(const Globals& globals) {
  if (!globals.project_name.empty()) return globals.project_name;
  const char* named = name_in_environment();
  if (globals.files.empty() && named != nullptr) return named;
  return load_what_is_there(globals, {}).name;
}

bool NamedProject::has(const std::string& service) const {
  if (!scope) return true;
  const auto& names = scope->at("services").as_array();
  return std::find(names.begin(), names.end(), json::value(service)) != names.end();
}

NamedProject named_project(const Globals& globals, const std::vector<std::string>& services) {
  if (!globals.project_name.empty() && globals.files.empty())
    return {globals.project_name, std::nullopt};
  try {
    compose::Project project = load_what_is_there(globals, services);
    return {project.name, scope_of(project)};
  } catch (const std::exception&) {
    const char* named = name_in_environment();
    if (named == nullptr || !globals.files.empty()) throw;
    return {named, std::nullopt};
  }
}

void put_materials(json::object& body, const compose::Project& project) {
  json::object values;
  for (const auto& [name, value] : project.from_environment) values[name] = value;
  if (!values.empty()) body["materials"] = std::move(values);
}

json::array to_array(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& v : values) out.emplace_back(v);
  return out;
}

}  // namespace pcompose::cli
