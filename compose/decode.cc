#include "compose/decode.h"

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/decode_service.h"

namespace pcompose::compose {
namespace {

std::map<std::string, std::string> labels_of(const Node& node) {
  std::map<std::string, std::string> out;
  const Node* labels = node.find("labels");
  if (labels == nullptr) return out;
  for (const Entry& entry : labels->entries) out[entry.key] = entry.value.text;
  return out;
}

class Decoder {
 public:
  Decoder(const Model& model, Unsupported unsupported, Diagnostics& diagnostics)
      : model_(model), unsupported_(unsupported), diagnostics_(diagnostics) {}

  Project run() {
    Project project;
    project.name = model_.name;
    project.working_dir = model_.working_dir;
    project.config_files = model_.config_files;
    project.profiles = model_.profiles;
    services(project.services, *model_.root.find("services"));
    services(project.disabled_services, model_.disabled_services);
    for (auto& [name, service] : project.services) drop_missing_dependencies(service, project);
    if (const Node* networks = model_.root.find("networks")) {
      for (const Entry& entry : networks->entries) project.networks[entry.key] = network(entry);
    }
    if (const Node* volumes = model_.root.find("volumes")) {
      for (const Entry& entry : volumes->entries) project.volumes[entry.key] = volume(entry);
    }
    return project;
  }

 private:
  void services(std::map<std::string, Service>& out, const Node& tree) {
    ServiceDecoder decoder(unsupported_, diagnostics_);
    for (const Entry& entry : tree.entries) out.emplace(entry.key, decoder.decode(entry));
  }

  // What is not required and not there is left out; check_consistency() has refused the rest.
  void drop_missing_dependencies(Service& service, const Project& project) {
    std::erase_if(service.depends_on, [&](const Dependency& dependency) {
      if (project.services.contains(dependency.service)) return false;
      auto origin = std::make_shared<Origin>(
          Origin{std::make_shared<const std::string>(dependency.position.file),
                 dependency.position.line, dependency.position.column, Way::written, nullptr});
      diagnostics_.warning(
          origin, fmt::format("services.{}.depends_on", service.name),
          fmt::format("service \"{}\" is not there; it is not required, so it is left out",
                      dependency.service));
      return true;
    });
  }

  void only(const Node& node, std::string_view key, std::string_view value,
            const std::string& path) {
    const Node* written = node.find(key);
    if (written == nullptr || written->text == value) return;
    report_unsupported(unsupported_, diagnostics_, *written, below(path, key),
                       fmt::format("\"{}\"", written->text), fmt::format("\"{}\"", value));
  }

  Network network(const Entry& entry) {
    const Node& node = entry.value;
    std::string path = below("networks", entry.key);
    Network out;
    out.key = entry.key;
    out.name = node.text_of("name");
    out.external = node.flag("external");
    out.internal = node.flag("internal");
    out.labels = labels_of(node);
    out.position = position_of(entry.origin);
    only(node, "driver", "bridge", path);
    const Node* ipam = node.find("ipam");
    if (ipam == nullptr) return out;
    only(*ipam, "driver", "default", path + ".ipam");
    const Node* pools = ipam->find("config");
    if (pools == nullptr || pools->items.empty()) return out;
    out.subnet = pools->items.front().text_of("subnet");
    out.gateway = pools->items.front().text_of("gateway");
    if (pools->items.size() > 1) {
      report_unsupported(unsupported_, diagnostics_, pools->items[1], path + ".ipam.config[1]",
                         "more than one subnet", "one subnet");
    }
    return out;
  }

  Volume volume(const Entry& entry) {
    Volume out;
    out.key = entry.key;
    out.name = entry.value.text_of("name");
    out.external = entry.value.flag("external");
    out.labels = labels_of(entry.value);
    out.position = position_of(entry.origin);
    only(entry.value, "driver", "local", below("volumes", entry.key));
    return out;
  }

  const Model& model_;
  Unsupported unsupported_;
  Diagnostics& diagnostics_;
};

}  // namespace

Project decode(const Model& model, Unsupported unsupported, Diagnostics& diagnostics) {
  return Decoder(model, unsupported, diagnostics).run();
}

}  // namespace pcompose::compose
