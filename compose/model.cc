#include "compose/model.h"

#include <algorithm>

#include <fmt/format.h>

#include "compose/check.h"
#include "compose/empty_values.h"
#include "compose/normalize.h"
#include "compose/paths.h"
#include "compose/project_files.h"
#include "compose/sources.h"

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
    Sources sources(files_, project_, steps_, diagnostics_);
    for (const std::string& file : project_.files) {
      for (Document& document : sources.read(file)) documents_.push_back(std::move(document));
    }
    if (documents_.empty() && !diagnostics_.failed()) {
      diagnostics_.error({{project_.shown(project_.files.front()), 0, 0},
                          "",
                          "empty compose file; it needs 'services:'",
                          Severity::error});
    }
    choose_name();
    Scope scope{project_.project_directory, project_.environment, {}, nullptr};
    for (Document& document : documents_) sources.add(std::move(document), scope, model_.root);
    model_.included_values = sources.included_values();
    finish(sources.unsupported());
    return std::move(model_);
  }

 private:
  // -p and the environment come first, then the last `name:`, then the directory.
  void choose_name() {
    model_.name = project_.project_name;
    if (!model_.name.empty())
      model_.name_from = options_.project_name.empty() ? "from COMPOSE_PROJECT_NAME" : "from -p";
    Lookup lookup = lookup_in(project_.environment);
    for (const Document& document : documents_) {
      std::string written = document.root.text_of("name");
      if (written.empty() || !project_.project_name.empty()) continue;
      if (auto text = interpolate(written, lookup)) model_.name = normalized_project_name(*text);
      model_.name_from = document.root.find("name")->position().str();
    }
    if (model_.name.empty()) {
      model_.name = normalized_project_name(base_name(project_.project_directory));
      model_.name_from = "from the directory " + project_.project_directory;
    }
    if (model_.name.empty()) {
      diagnostics_.throw_errors();
      throw Error("project name must not be empty: the directory's name holds no letter or digit")
          .hint("give one with -p, COMPOSE_PROJECT_NAME or 'name:'");
    }
    project_.environment.insert_or_assign("COMPOSE_PROJECT_NAME", Setting{model_.name, {}});
  }

  void finish(const std::vector<UnsupportedUse>& unsupported) {
    refuse_empty_values(model_.root, diagnostics_);
    if (model_.root.find("services") == nullptr) model_.root.set("services", make_mapping(nullptr));
    Node& services = *model_.root.find("services");
    choose_profiles(services);
    std::erase_if(services.entries, [&](Entry& entry) {
      if (is_active(entry.value)) return false;
      model_.disabled_services.entries.push_back(std::move(entry));
      return true;
    });
    for (const auto& [name, setting] : project_.environment)
      model_.environment.emplace(name, setting.value);
    if (steps_.normalize) add_implied_dependencies(services);
    model_.needed = with_dependencies(services, options_.services);
    report_unsupported_uses(unsupported, model_.root, model_.needed, options_.unsupported,
                            diagnostics_);
    if (steps_.resolve_environment && steps_.interpolate && options_.resolve_environment)
      resolve_environment(services, model_.needed, project_, files_, diagnostics_);
    if (steps_.check_consistency)
      check_consistency(model_.root, model_.disabled_services,
                        steps_.interpolate ? Values::final : Values::as_written, diagnostics_);
    diagnostics_.throw_errors();
    add_default_values(services, steps_.resolve_paths ? project_.project_directory : ".");
    if (steps_.normalize) add_defaults(model_.root, model_.name);
    // A name with a variable in it says nothing about what is used.
    if (steps_.interpolate && !options_.all_resources) drop_unused(model_.root);
  }

  [[nodiscard]] bool is_active(const Node& service) const {
    if (!steps_.interpolate) return true;  // the files as they are
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
  std::vector<Document> documents_;
  Model model_;
};

}  // namespace

Model build_model(const LoadOptions& options, const ModelOptions& steps, const FileReader& files,
                  Diagnostics& diagnostics) {
  return ModelBuilder(options, steps, files, diagnostics).run();
}

}  // namespace pcompose::compose
