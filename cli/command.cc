#include "cli/command.h"

#include <algorithm>
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
  return options;
}

compose::Project load_project(const Globals& globals, const std::vector<std::string>& services) {
  compose::Project project = compose::load(globals.load_options(services), compose::DiskFiles());
  for (const auto& w : project.warnings) fmt::print(stderr, "{}\n", w.str());
  return project;
}

namespace {

const char* name_in_environment() {
  const char* named = std::getenv("COMPOSE_PROJECT_NAME");
  return named != nullptr && *named != '\0' ? named : nullptr;
}

// Who looks at a project, or takes it down, need not be able to bring it up.
compose::Project load_what_is_there(const Globals& globals,
                                    const std::vector<std::string>& services) {
  compose::LoadOptions options = globals.load_options(services);
  options.unsupported = compose::Unsupported::warn;
  return compose::load(options, compose::DiskFiles());
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

}  // namespace

bool is_true(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && (std::string_view(value) == "1" || std::string_view(value) == "true");
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

void Progress::show(const json::object& event) {
  auto text = [&](const char* key) {
    const auto* value = event.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  if (globals_.progress == "quiet" && !event.contains("error")) return;
  for (const char* key : {"warning", "waiting", "error"}) {
    if (event.contains(key)) fmt::print(stderr, "{}: {}\n", key, text(key));
  }
  if (event.contains("plan")) {
    std::string plan = text("plan");
    for (size_t at = 0; at < plan.size();) {
      size_t end = plan.find('\n', at);
      fmt::print("DRY-RUN MODE - {}\n", plan.substr(at, end - at));
      at = end + 1;
    }
  }
  static const std::map<std::string, std::pair<const char*, const char*>> kWords = {
      {"create", {"Creating", "Created"}},    {"start", {"Starting", "Started"}},
      {"stop", {"Stopping", "Stopped"}},      {"remove", {"Removing", "Removed"}},
      {"kill", {"Killing", "Killed"}},        {"pause", {"Pausing", "Paused"}},
      {"unpause", {"Unpausing", "Unpaused"}}, {"await", {"Waiting", "Ready"}}};
  auto word = kWords.find(text("verb"));
  std::string state = text("state");
  if (word == kWords.end() || (state != "begun" && state != "done" && state != "failed")) return;
  std::string kind = text("kind");
  kind[0] = static_cast<char>(std::toupper(kind[0]));
  const char* shown = state == "begun"  ? word->second.first
                      : state == "done" ? word->second.second
                                        : "Error";
  std::string line = fmt::format(" {} {}  {}\n", kind, text("name"), shown);
  if (shown_.insert(line).second) fmt::print(stderr, "{}", line);
}

int report(const json::object& result) {
  if (result.contains("error"))
    fmt::print(stderr, "{}\n", std::string(result.at("error").as_string()));
  return result.at("exit_code").to_number<int>();
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
