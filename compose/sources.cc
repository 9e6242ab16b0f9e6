#include "compose/sources.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compose/canonical.h"
#include "compose/dotenv.h"
#include "compose/interpolate_tree.h"
#include "compose/merge.h"
#include "compose/normalize.h"
#include "compose/paths.h"
#include "compose/yaml_reader.h"

namespace pcompose::compose {
namespace {

bool is_remote(std::string_view path) {
  return path.find("://") != std::string_view::npos || path.starts_with("git@") ||
         path.starts_with("github.com/") || path.starts_with("oci:");
}

// Every place in a subtree becomes one that was reached through `via`.
void mark_reached(Node& node, Way way, const OriginPtr& via) {
  node.origin = reached(node.origin, way, via);
  for (Node& item : node.items) mark_reached(item, way, via);
  for (Entry& entry : node.entries) {
    entry.origin = reached(entry.origin, way, via);
    mark_reached(entry.value, way, via);
  }
}

}  // namespace

std::vector<Document> Sources::read(const std::string& path, const OriginPtr& asked) {
  std::string shown = project_.shown(path);
  std::vector<Document> out;
  auto text = path == "-" ? std::optional(files_.standard_input()) : files_.read(path);
  if (!text) {
    Diagnostic missing{
        {shown, 0, 0}, "", "no such file; check -f and COMPOSE_FILE", Severity::error};
    if (asked)
      missing = {position_of(asked), "", fmt::format("no such file: {}", shown), Severity::error};
    diagnostics_.error(std::move(missing));
    return out;
  }
  try {
    auto documents = read_yaml(*text, shown);
    for (Node& root : documents) out.push_back({path, std::move(root)});
  } catch (const ComposeError& error) {
    for (const Diagnostic& d : error.diagnostics()) diagnostics_.error(d);
  }
  return out;
}

void Sources::canonicalize(Node& node, const Object& object, const std::string& path,
                           const std::string& directory, const Environment& environment) {
  if (steps_.interpolate) interpolate_tree(node, environment, diagnostics_, warned_);
  auto home = environment.find("HOME");
  CanonicalOptions options{steps_.resolve_paths ? directory : from_project(directory),
                           home == environment.end() ? "/" : home->second.value,
                           steps_.resolve_paths, !steps_.interpolate};
  Canonicalizer(diagnostics_, std::move(options), unsupported_).object(node, object, path);
}

std::string Sources::from_project(const std::string& directory) const {
  std::string relative =
      std::filesystem::path(directory).lexically_relative(project_.project_directory);
  return relative == "." ? "" : relative;
}

void Sources::add(Document document, const Scope& scope, Node& into) {
  if (const Entry* version = document.root.find_entry("version")) {
    diagnostics_.warning(version->origin, "",
                         "the attribute `version` is obsolete, it will be ignored, please remove "
                         "it to avoid potential confusion");
  }
  canonicalize(document.root, file_schema(), "", scope.directory, scope.environment);
  Node included = make_mapping(document.root.origin);
  include(document.root, document.path, scope, included);
  document.root.erase("include");
  document.root.erase("version");
  document.root.erase("name");
  if (!included.entries.empty()) {
    // The including file's own words come over what it includes.
    merge(included, std::move(document.root), file_schema());
    document.root = std::move(included);
  }
  extend_all(document.root, document.path, scope);
  if (!scope.including.empty() && steps_.interpolate && steps_.resolve_environment)
    take_values_of(scope, document.root);
  merge(into, std::move(document.root), file_schema());
}

void Sources::include(const Node& document, const std::string& path, const Scope& scope,
                      Node& into) {
  const Node* list = document.find("include");
  if (list == nullptr) return;
  for (const Node& item : list->items) include_one(item, path, scope, into);
}

namespace {

// A build without a context has the directory of the file that was included.
void default_contexts(Node& root, const std::string& directory) {
  Node* services = root.find("services");
  if (services == nullptr) return;
  for (Entry& entry : services->entries) {
    Node* build = entry.value.find("build");
    if (build != nullptr && build->is(Kind::mapping) && build->find("context") == nullptr)
      build->set("context", make_string(directory, build->origin));
  }
}

}  // namespace

void Sources::include_one(const Node& item, const std::string& path, const Scope& scope,
                          Node& into) {
  const Node& paths = *item.find("path");
  if (paths.items.empty()) return;
  Scope inner{directory_of(join_path(scope.directory, paths.items.front().text)), scope.environment,
              scope.including, item.origin};
  inner.including.push_back(path);
  if (std::string written = item.text_of("project_directory"); !written.empty()) {
    inner.directory = join_path(scope.directory, written);
    // Docker Compose takes the directory above one that does not exist.
    if (!files_.is_directory(inner.directory)) inner.directory = directory_of(inner.directory);
  }
  read_scope_environment(item, scope.directory, inner);
  for (const Node& file : paths.items) {
    if (is_remote(file.text)) {
      diagnostics_.error(file.origin, "include",
                         "a remote file is not supported by pcompose yet; copy it here");
      continue;
    }
    std::string target = join_path(scope.directory, file.text);
    if (std::ranges::find(inner.including, target) != inner.including.end()) {
      std::vector<std::string> shown;
      for (const std::string& step : inner.including) shown.push_back(project_.shown(step));
      diagnostics_.error(file.origin, "include",
                         fmt::format("include cycle detected: {} -> {}", fmt::join(shown, " -> "),
                                     project_.shown(target)));
      continue;
    }
    for (Document& document : read(target, file.origin)) {
      mark_reached(document.root, Way::include, file.origin);
      add(std::move(document), inner, into);
    }
  }
  default_contexts(into, steps_.resolve_paths ? inner.directory : from_project(inner.directory));
}

// What surrounds the included file wins over its own env files.
void Sources::read_scope_environment(const Node& item, const std::string& from, Scope& scope) {
  std::vector<std::string> paths;
  const Node* named = item.find("env_file");
  if (named == nullptr) paths.push_back(scope.directory + "/.env");
  if (named != nullptr) {
    for (const Node& file : named->items) paths.push_back(join_path(from, file.text));
  }
  Environment found;
  for (const std::string& path : paths) {
    auto text = path == "/dev/null" ? std::optional(std::string()) : files_.read(path);
    if (!text && named != nullptr) {
      diagnostics_.error(named->origin, "include.env_file",
                         fmt::format("no such file: {}", project_.shown(path)));
    }
    if (!text) continue;
    try {
      for (Variable& v : parse_dotenv(*text, project_.shown(path), lookup_in(scope.environment))) {
        if (v.value)
          found.insert_or_assign(v.name, Setting{*v.value, {project_.shown(path), v.line, 1}});
      }
    } catch (const ComposeError& error) {
      for (const Diagnostic& d : error.diagnostics()) diagnostics_.error(d);
    }
  }
  scope.environment.insert(found.begin(), found.end());
}

// An include's variables are known while its files are read only: what names one of them takes its
// value now.
void Sources::take_values_of(const Scope& scope, Node& document) {
  if (Node* services = document.find("services")) {
    for (Entry& service : services->entries)
      take_bare_names(service.value.find("environment"), scope.environment);
  }
  for (std::string section : {"secrets", "configs"}) {
    const Node* materials = document.find(section);
    if (materials == nullptr) continue;
    for (const Entry& material : materials->entries) {
      auto found = scope.environment.find(material.value.text_of("environment"));
      if (found != scope.environment.end())
        included_values_[{below(section, material.key), found->first}] = found->second.value;
    }
  }
}

// --- extends ------------------------------------------------------------------------------------

struct Sources::Extension {
  std::string service;
  std::string file;       // that the service stands in
  std::string directory;  // what `extends.file` in it is relative to
  Node* services;         // of that file; canonical only where `canonical` says so
  bool canonical;
  const Environment* environment;
  const Extension* extending;  // the step that led here
};

void Sources::extend_all(Node& document, const std::string& path, const Scope& scope) {
  Node* services = document.find("services");
  if (services == nullptr) return;
  for (Entry& entry : services->entries) {
    if (entry.value.find("extends") == nullptr) continue;
    extend(entry.value,
           {entry.key, path, scope.directory, services, true, &scope.environment, nullptr});
  }
}

// Replaces the service by its base with the service laid over it. False where that failed; the
// service then has no `extends` any more.
bool Sources::extend(Node& service, const Extension& step) {
  const Node* written = service.find("extends");
  if (written == nullptr) return true;
  Node extends = *written;
  service.erase("extends");
  Extension next{};
  Node base;
  if (!base_of(extends, step, next, base) || !extend(base, next)) return false;
  base.erase("extends");
  Node merged = make_mapping(base.origin);
  merged.tag = service.tag;
  OriginPtr origin = service.origin;
  merge(merged, std::move(base), service_schema());
  merge(merged, std::move(service), service_schema());
  merged.origin = std::move(origin);
  service = std::move(merged);
  return true;
}

// Finds what is extended: `base` becomes a copy of it, canonical, and `next` the step that it is.
bool Sources::base_of(const Node& extends, const Extension& step, Extension& next, Node& base) {
  std::string name = extends.text_of("service");
  std::string file = extends.text_of("file");
  std::string where = below(below("services", step.service), "extends");
  std::string blame = fmt::format("cannot extend service \"{}\"", step.service);
  next = {name, step.file, step.directory, step.services, step.canonical, step.environment, &step};
  if (!file.empty()) {
    if (is_remote(file)) {
      diagnostics_.error(extends.origin, where,
                         "a remote file is not supported by pcompose yet; copy it here");
      return false;
    }
    next.file = join_path(step.directory, file);
    next.directory = directory_of(next.file);
    next.services = source_services(next.file, extends, where, blame);
    next.canonical = false;
    if (next.services == nullptr) return false;
  }
  std::vector<std::string> chain{fmt::format("{} in {}", name, project_.shown(next.file))};
  for (const Extension* s = &step; s != nullptr; s = s->extending) {
    chain.insert(chain.begin(), fmt::format("{} in {}", s->service, project_.shown(s->file)));
    if (s->service != name || s->file != next.file) continue;
    diagnostics_.error(extends.origin, where,
                       fmt::format("circular reference: {}", fmt::join(chain, " -> ")));
    return false;
  }
  const Node* found = next.services->find(name);
  if (found == nullptr || (!found->is(Kind::mapping) && !found->is(Kind::null))) {
    diagnostics_.error(
        extends.origin, where,
        fmt::format("{}: service \"{}\" not found in {}", blame, name, project_.shown(next.file)));
    return false;
  }
  base = *found;
  if (base.is(Kind::null)) base = make_mapping(base.origin);
  mark_reached(base, Way::extends, extends.origin);
  if (!next.canonical)
    canonicalize(base, service_schema(), below("services", name), next.directory,
                 *step.environment);
  return true;
}

Node* Sources::source_services(const std::string& path, const Node& extends,
                               const std::string& where, const std::string& blame) {
  auto cached = extended_files_.find(path);
  if (cached == extended_files_.end()) {
    Node whole = make_mapping(nullptr);
    for (Document& document : read(path, extends.find("file")->origin)) {
      for (Entry& entry : document.root.entries) whole.set(entry.key, std::move(entry.value));
    }
    cached = extended_files_.emplace(path, std::move(whole)).first;
  }
  Node* services = cached->second.find("services");
  if (services != nullptr && services->is(Kind::mapping)) return services;
  if (!cached->second.entries.empty()) {
    diagnostics_.error(extends.origin, where,
                       fmt::format("{}: no services section in {}", blame, project_.shown(path)));
  }
  return nullptr;
}

}  // namespace pcompose::compose
