#include "compose/model.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/check.h"
#include "compose/interpolate_tree.h"
#include "compose/merge.h"
#include "compose/normalize.h"
#include "compose/paths.h"
#include "compose/project_files.h"
#include "compose/yaml_reader.h"

namespace pcompose::compose {
namespace {

class ModelBuilder {
 public:
  ModelBuilder(const LoadOptions& options, const ModelOptions& steps, const FileReader& files,
               Diagnostics& diagnostics)
      : options_(options), steps_(steps), files_(files), diagnostics_(diagnostics) {}

  Model run() {
    project_ = find_project_files(options_, files_);
    for (const Diagnostic& warning : project_.warnings) {
      diagnostics_.warning(
          std::make_shared<Origin>(Origin{
              std::make_shared<const std::string>(warning.position.file), 0, 0, {}, nullptr}),
          "", warning.message);
    }
    model_.root = make_mapping(nullptr);
    model_.disabled_services = make_mapping(nullptr);
    model_.working_dir = project_.project_directory;
    model_.config_files = project_.files;
    for (const std::string& file : project_.files) read(file);
    choose_name();
    for (Node& document : documents_) add(document);
    finish();
    return std::move(model_);
  }

 private:
  void read(const std::string& path) {
    std::string shown = project_.shown(path);
    auto text = path == "-" ? std::optional(files_.standard_input()) : files_.read(path);
    if (!text) {
      diagnostics_.error(
          {{shown, 0, 0}, "", "no such file; check -f and COMPOSE_FILE", Severity::error});
      return;
    }
    try {
      auto documents = read_yaml(*text, shown);
      if (documents.empty()) {
        diagnostics_.error(
            {{shown, 0, 0}, "", "empty compose file; it needs 'services:'", Severity::error});
      }
      for (Node& document : documents) {
        warn_of_version(document);
        documents_.push_back(std::move(document));
      }
    } catch (const ComposeError& error) {
      for (const Diagnostic& d : error.diagnostics()) diagnostics_.error(d);
    }
  }

  void warn_of_version(const Node& document) {
    if (const Entry* version = document.find_entry("version")) {
      diagnostics_.warning(version->origin, "version",
                           "the attribute is obsolete and ignored; remove it");
    }
  }

  // -p and the environment come first, then the last `name:`, then the directory.
  void choose_name() {
    model_.name = project_.project_name;
    Lookup lookup = project_.lookup();
    for (const Node& document : documents_) {
      std::string written = document.text_of("name");
      if (written.empty() || !project_.project_name.empty()) continue;
      if (auto text = interpolate(written, lookup)) model_.name = normalized_project_name(*text);
    }
    if (model_.name.empty())
      model_.name = normalized_project_name(base_name(project_.project_directory));
    if (model_.name.empty()) {
      diagnostics_.throw_errors();
      throw Error("project name must not be empty: the directory's name holds no letter or digit")
          .hint("give one with -p, COMPOSE_PROJECT_NAME or 'name:'");
    }
    project_.environment.insert_or_assign("COMPOSE_PROJECT_NAME", model_.name);
  }

  void add(Node& document) {
    if (steps_.interpolate) interpolate_tree(document, project_.lookup(), diagnostics_, warned_);
    auto home = project_.environment.find("HOME");
    CanonicalOptions canonical{project_.project_directory,
                               home == project_.environment.end() ? "/" : home->second,
                               steps_.resolve_paths, options_.unsupported};
    Canonicalizer(diagnostics_, std::move(canonical)).object(document, file_schema(), "");
    merge(model_.root, document, file_schema());
  }

  void finish() {
    model_.root.erase("version");
    model_.root.erase("name");
    if (model_.root.find("services") == nullptr) model_.root.set("services", make_mapping(nullptr));
    Node& services = *model_.root.find("services");
    choose_profiles(services);
    std::erase_if(services.entries, [&](Entry& entry) {
      if (is_active(entry.value)) return false;
      model_.disabled_services.entries.push_back(std::move(entry));
      return true;
    });
    resolve_environment(services, project_, files_, diagnostics_);
    if (steps_.normalize) add_implied_dependencies(services);
    if (steps_.check_consistency)
      check_consistency(model_.root, model_.disabled_services, diagnostics_);
    diagnostics_.throw_errors();
    if (steps_.normalize) {
      add_defaults(model_.root, model_.name, project_.project_directory);
    }
    drop_unused(model_.root);
  }

  [[nodiscard]] bool is_active(const Node& service) const {
    const Node* profiles = service.find("profiles");
    if (profiles == nullptr || profiles->items.empty()) return true;
    return std::ranges::any_of(model_.profiles, [&](const std::string& active) {
      return active == "*" ||
             std::ranges::find(profiles->items, active, &Node::text) != profiles->items.end();
    });
  }

  // Naming a service activates its profiles, for the whole model.
  void choose_profiles(const Node& services) {
    model_.profiles = project_.profiles;
    for (const std::string& name : options_.services) {
      const Node* service = services.find(name);
      if (service == nullptr) {
        diagnostics_.throw_errors();
        throw Error(fmt::format("no such service: {}", name));
      }
      if (is_active(*service)) continue;
      for (const Node& profile : service->find("profiles")->items)
        model_.profiles.push_back(profile.text);
    }
  }

  const LoadOptions& options_;
  const ModelOptions& steps_;
  const FileReader& files_;
  Diagnostics& diagnostics_;
  ProjectFiles project_;
  std::vector<Node> documents_;
  std::set<std::string, std::less<>> warned_;
  Model model_;
};

}  // namespace

Model build_model(const LoadOptions& options, const ModelOptions& steps, const FileReader& files,
                  Diagnostics& diagnostics) {
  return ModelBuilder(options, steps, files, diagnostics).run();
}

}  // namespace pcompose::compose
