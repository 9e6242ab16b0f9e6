// env_file, label_file and bare names: what a service's environment and labels are in the end.
#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/dotenv.h"
#include "compose/normalize.h"

namespace pcompose::compose {
namespace {

// Where the bare name stands, with the place in .env that gave it a value.
OriginPtr taken_from(const OriginPtr& name, const Setting& setting) {
  auto origin = std::make_shared<Origin>(name ? *name : Origin{});
  origin->variables =
      std::make_shared<const Interpolated>(Interpolated{"", {{"", setting.place, true}}});
  return origin;
}

class EnvironmentResolver {
 public:
  EnvironmentResolver(const ProjectFiles& project, const FileReader& files,
                      Diagnostics& diagnostics)
      : project_(project), files_(files), diagnostics_(diagnostics) {}

  void service(Node& service, const std::string& path) {
    Node environment = make_mapping(service.origin);
    own_ = service.find("environment");
    read_all(service, "env_file", path, environment);
    lay_over(service, "environment", std::move(environment));
    Node labels = make_mapping(service.origin);
    own_ = nullptr;
    read_all(service, "label_file", path, labels);
    lay_over(service, "labels", std::move(labels));
    take_bare_names(service.find("environment"), project_.environment);
    if (Node* build = service.find("build")) take_build_arguments(*build);
    service.erase("env_file");
    service.erase("label_file");
  }

 private:
  // The project's environment, then the service's own, then what stands above in the files.
  [[nodiscard]] Lookup lookup(const Node& above) const {
    return [this, &above](std::string_view name) -> std::optional<std::string> {
      if (auto it = project_.environment.find(name); it != project_.environment.end())
        return it->second.value;
      for (const Node* node : {own_, &above}) {
        const Node* value = node == nullptr ? nullptr : node->find(name);
        if (value != nullptr && value->scalar()) return value->text;
      }
      return std::nullopt;
    };
  }

  void read_all(const Node& service, std::string_view key, const std::string& path, Node& into) {
    const Node* list = service.find(key);
    if (list == nullptr) return;
    for (size_t i = 0; i < list->items.size(); ++i) {
      read_one(list->items[i], at_index(below(path, key), i), into);
    }
  }

  // An item of env_file is a mapping, one of label_file a string.
  void read_one(const Node& item, const std::string& path, Node& into) {
    std::string file = item.is(Kind::mapping) ? item.text_of("path") : item.text;
    std::optional<std::string> text;
    try {
      // With --no-path-resolution the tree holds what was written.
      text = files_.read(file.starts_with('/') ? file : project_.project_directory + "/" + file);
    } catch (const Error& error) {
      diagnostics_.error(item.origin, path, error.what());
      return;
    }
    if (!text) {
      if (item.is(Kind::mapping) && !item.flag("required")) return;
      diagnostics_.error(
          item.origin, path,
          fmt::format("env file {} not found; make it, or write 'required: false'", file));
      return;
    }
    try {
      std::string shown = project_.shown(file);
      Lookup look = lookup(into);
      auto variables = item.text_of("format") == "raw" ? parse_raw_env(*text, shown, look)
                                                       : parse_dotenv(*text, shown, look);
      add(variables, shown, item.origin, into);
    } catch (const ComposeError& error) {
      for (const Diagnostic& d : error.diagnostics()) diagnostics_.error(d);
    }
  }

  static void add(std::vector<Variable>& variables, const std::string& shown, const OriginPtr& item,
                  Node& into) {
    auto file = std::make_shared<const std::string>(shown);
    for (Variable& v : variables) {
      if (!v.value) continue;
      auto origin = std::make_shared<Origin>(Origin{file, v.line, 1, Way::env_file, item});
      into.set(v.name, make_string(std::move(*v.value), std::move(origin)));
    }
  }

  static void lay_over(Node& service, std::string_view key, Node below_it) {
    if (below_it.entries.empty()) return;
    if (const Node* own = service.find(key)) {
      for (const Entry& entry : own->entries) below_it.set(entry.key, entry.value);
    }
    service.set(key, std::move(below_it));
  }

  void take_build_arguments(Node& build) {
    Node* arguments = build.find("args");
    take_bare_names(arguments, project_.environment);
    if (arguments == nullptr) return;
    std::erase_if(arguments->entries,
                  [](const Entry& entry) { return entry.value.is(Kind::null); });
  }

  const ProjectFiles& project_;
  const FileReader& files_;
  Diagnostics& diagnostics_;
  const Node* own_ = nullptr;
};

}  // namespace

void take_bare_names(Node* environment, const Environment& values) {
  if (environment == nullptr) return;
  for (Entry& entry : environment->entries) {
    if (!entry.value.is(Kind::null)) continue;
    auto it = values.find(entry.key);
    if (it != values.end())
      entry.value = make_string(it->second.value, taken_from(entry.value.origin, it->second));
  }
}

void resolve_environment(Node& services, const std::set<std::string>& needed,
                         const ProjectFiles& project, const FileReader& files,
                         Diagnostics& diagnostics) {
  for (Entry& entry : services.entries) {
    Diagnostics own;
    EnvironmentResolver(project, files, own).service(entry.value, below("services", entry.key));
    bool wanted = needed.contains(entry.key);
    wanted ? diagnostics.take_errors(std::move(own)) : diagnostics.take_as_warnings(std::move(own));
  }
}

}  // namespace pcompose::compose
