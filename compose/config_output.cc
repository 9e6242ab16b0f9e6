#include "compose/config_output.h"

#include <algorithm>
#include <memory>
#include <set>

#include <fmt/format.h>

#include "compose/config_hash.h"
#include "compose/decode.h"
#include "compose/explain.h"
#include "compose/json.h"
#include "compose/model.h"
#include "compose/normalize.h"
#include "compose/tree_json.h"
#include "compose/variables.h"

namespace pcompose::compose {
namespace {

const std::vector<Entry>& entries_of(const Node& root, std::string_view key) {
  static const std::vector<Entry> kNone;
  const Node* node = root.find(key);
  return node == nullptr ? kNone : node->entries;
}

// Keeps the named services, what they depend on, and the resources of these.
void select(Node& root, const std::vector<std::string>& names) {
  if (names.empty()) return;
  Node& services = *root.find("services");
  auto chosen = with_dependencies(services, names);
  std::erase_if(services.entries, [&](const Entry& e) { return !chosen.contains(e.key); });
  drop_unused(root);
}

void print_lines(const std::set<std::string>& lines, std::ostream& out) {
  for (const std::string& line : lines) out << line << '\n';
}

std::set<std::string> keys_of(const Node& root, std::string_view section) {
  std::set<std::string> out;
  for (const Entry& entry : entries_of(root, section)) out.insert(entry.key);
  return out;
}

std::set<std::string> profiles_of(const Model& model) {
  std::set<std::string> out;
  for (const auto* services :
       {&entries_of(model.root, "services"), &model.disabled_services.entries}) {
    for (const Entry& entry : *services) {
      const Node* profiles = entry.value.find("profiles");
      if (profiles == nullptr) continue;
      for (const Node& profile : profiles->items) out.insert(profile.text);
    }
  }
  return out;
}

// One for each service, as often as it is used.
void print_images(const Model& model, std::ostream& out) {
  std::multiset<std::string> names;
  for (const Entry& entry : entries_of(model.root, "services")) {
    if (entry.value.find("provider") != nullptr) continue;
    std::string image = entry.value.text_of("image");
    names.insert(image.empty() ? model.name + "-" + entry.key : image);
    const Node* hooks = entry.value.find("pre_start");
    if (hooks == nullptr) continue;
    for (const Node& hook : hooks->items) {
      if (std::string own = hook.text_of("image"); !own.empty()) names.insert(own);
    }
  }
  for (const std::string& name : names) out << name << '\n';
}

// Dependencies before what needs them, else by name.
void print_services(const Model& model, std::ostream& out) {
  std::set<std::string> printed;
  auto visit = [&](auto& self, const std::string& name) -> void {
    const Node* service = model.root.find("services")->find(name);
    if (service == nullptr || !printed.insert(name).second) return;
    for (const std::string& below : keys_of(*service, "depends_on")) self(self, below);
    out << name << '\n';
  };
  for (const std::string& name : keys_of(model.root, "services")) visit(visit, name);
}

void print_models(const Model& model, std::ostream& out) {
  std::set<std::string> names;
  for (const Entry& entry : entries_of(model.root, "models"))
    names.insert(entry.value.text_of("model", entry.key));
  print_lines(names, out);
}

void print_environment(const Model& model, std::ostream& out) {
  for (const auto& [name, value] : model.environment) out << name << '=' << value << '\n';
}

// The indentation of docker compose's lists of variables.
constexpr std::string_view kWide = "    ";

void print_variables(const Model& model, ConfigFormat format, std::ostream& out) {
  TemplateVariables variables;
  collect_variables(model.root, variables);
  collect_variables(model.disabled_services, variables);
  if (format == ConfigFormat::json) {
    json::object all;
    for (const auto& [name, v] : variables) {
      all[name] = json::object{{"Name", name},
                               {"DefaultValue", v.default_value},
                               {"PresenceValue", v.presence_value},
                               {"Required", v.required}};
    }
    out << json_text(all, kWide);
    return;
  }
  if (format == ConfigFormat::yaml) {
    json::object all;
    for (const auto& [name, v] : variables) {
      all[name] = json::object{{"name", name},
                               {"defaultvalue", v.default_value},
                               {"presencevalue", v.presence_value},
                               {"required", v.required}};
    }
    out << yaml_text(all, kWide);
    return;
  }
  size_t width = 4;
  for (const auto& [name, v] : variables) width = std::max(width, name.size());
  out << fmt::format("{:<{}}  {:<8}  {:<20}  {}\n", "NAME", width, "REQUIRED", "DEFAULT VALUE",
                     "ALTERNATE VALUE");
  for (const auto& [name, v] : variables) {
    out << fmt::format("{:<{}}  {:<8}  {:<20}  {}\n", name, width, v.required, v.default_value,
                       v.presence_value);
  }
}

void print_hashes(const Model& model, Unsupported unsupported, const ConfigOptions& config,
                  Diagnostics& diagnostics, std::ostream& out) {
  Project project = decode(model, unsupported, diagnostics);
  diagnostics.throw_errors();
  for (const auto& [name, service] : project.services) {
    bool chosen = config.services.empty() || std::ranges::count(config.services, name) > 0;
    if (!chosen) continue;
    std::string hash = config.hash ? config.hash(service, project) : config_hash(service, project);
    out << name << ' ' << hash << '\n';
  }
}

struct Remains {
  Model model;
  json::value tree;
};

}  // namespace

namespace {

// Calls f(name, service) for each service that has an image.
template <class F>
void for_each_image(json::value& tree, F&& f) {
  json::value* services = tree.is_object() ? tree.get_object().if_contains("services") : nullptr;
  if (services == nullptr || !services->is_object()) return;
  for (auto& [name, service] : services->get_object()) {
    json::value* image = service.is_object() ? service.get_object().if_contains("image") : nullptr;
    if (image != nullptr && image->is_string()) f(name, *image);
  }
}

void pin_images(json::value& tree, const ConfigOptions::PinImages& pin) {
  std::set<std::string> images;
  for_each_image(tree, [&](std::string_view /*name*/, const json::value& image) {
    images.emplace(image.get_string());
  });
  auto pinned = pin(images);
  for_each_image(tree, [&](std::string_view /*name*/, json::value& image) {
    auto found = pinned.find(std::string(image.get_string()));
    if (found != pinned.end()) image = found->second;
  });
}

json::value images_alone(json::value& tree) {
  json::object services;
  for_each_image(tree, [&](std::string_view name, const json::value& image) {
    services[name] = json::object{{"image", image}};
  });
  return json::object{{"services", std::move(services)}};
}

}  // namespace

int run_config(const LoadOptions& options, const ConfigOptions& config, const FileReader& files,
               std::ostream& out, std::vector<Diagnostic>& warnings) {
  Diagnostics diagnostics;
  LoadOptions with_services = options;
  with_services.services.insert(with_services.services.end(), config.services.begin(),
                                config.services.end());
  ModelOptions steps{config.interpolate, config.normalize, config.resolve_paths,
                     config.check_consistency, config.resolve_environment};
  // Their texts are wanted as they were written, and of every service.
  if (config.output == ConfigOutput::variables) steps = {false, false, false, false, false};
  auto remains = std::make_shared<Remains>();
  if (config.remains != nullptr) *config.remains = remains;
  Model& model = remains->model = build_model(with_services, steps, files, diagnostics);
  if (options.unsupported == Unsupported::refuse) {
    decode(model, options.unsupported, diagnostics);
    diagnostics.throw_errors();
  }
  if (config.output != ConfigOutput::variables) select(model.root, config.services);
  switch (config.output) {
    case ConfigOutput::services:
      print_services(model, out);
      break;
    case ConfigOutput::volumes:
      print_lines(keys_of(model.root, "volumes"), out);
      break;
    case ConfigOutput::networks:
      print_lines(keys_of(model.root, "networks"), out);
      break;
    case ConfigOutput::profiles:
      print_lines(profiles_of(model), out);
      break;
    case ConfigOutput::images:
      print_images(model, out);
      break;
    case ConfigOutput::hash:
      print_hashes(model, options.unsupported, config, diagnostics, out);
      break;
    case ConfigOutput::models:
      print_models(model, out);
      break;
    case ConfigOutput::environment:
      print_environment(model, out);
      break;
    case ConfigOutput::variables:
      print_variables(model, config.format, out);
      break;
    case ConfigOutput::explain:
      explain(model, config.explain, config.format, out);
      break;
    case ConfigOutput::quiet:
      break;
    case ConfigOutput::model: {
      json::value& tree = remains->tree =
          tree_to_json(model, config.interpolate ? Dollars::escape : Dollars::keep, config.format);
      if (config.pin_images) pin_images(tree, config.pin_images);
      if (config.images_only) tree = images_alone(tree);
      out << (config.format == ConfigFormat::json ? json_text(tree) : yaml_text(tree));
    }
  }
  warnings.insert(warnings.end(), diagnostics.warnings().begin(), diagnostics.warnings().end());
  return 0;
}

}  // namespace pcompose::compose
