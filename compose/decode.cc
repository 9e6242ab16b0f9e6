#include "compose/decode.h"

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/decode_service.h"
#include "compose/fields.h"
#include "compose/node_archive.h"

namespace pcompose::compose {
namespace {

// A section whose elements hold only what stands in the file under the same names.
template <class T>
void decode_plain(const Node& root, std::string_view section, std::map<std::string, T>& out) {
  const Node* elements = root.find(section);
  if (elements == nullptr) return;
  for (const Entry& entry : elements->entries) {
    T& element = out[entry.key];
    NodeReader reader(entry.value);
    fields(reader, element);
    element.key = entry.key;
    element.position = position_of(entry.origin);
  }
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
    disabled_services(project.disabled_services);
    for (auto& [name, service] : project.services) drop_missing_dependencies(service, project);
    if (const Node* networks = model_.root.find("networks")) {
      for (const Entry& entry : networks->entries) project.networks[entry.key] = network(entry);
    }
    for (auto* services : {&project.services, &project.disabled_services}) {
      for (auto& [name, service] : *services) join_by_mode(service, project);
    }
    if (const Node* volumes = model_.root.find("volumes")) {
      for (const Entry& entry : volumes->entries) project.volumes[entry.key] = volume(entry);
    }
    decode_plain(model_.root, "secrets", project.secrets);
    decode_plain(model_.root, "configs", project.configs);
    decode_plain(model_.root, "models", project.models);
    own_extension(project);
    project.variables.insert(model_.environment.begin(), model_.environment.end());
    for (const auto& [name, value] : model_.environment) {
      if (name.starts_with("COMPOSE_")) project.settings.emplace(name, value);
    }
    take_values("secrets.", project.secrets, project.from_environment);
    take_values("configs.", project.configs, project.from_environment);
    return project;
  }

 private:
  // `network_mode: NAME` joins a network that is there; `bridge` is one that all projects share and
  // that comes with the first.
  static void join_by_mode(Service& service, Project& project) {
    std::string& mode = service.network_mode;
    if (mode.empty() || mode == "none" || mode == "host" || mode.find(':') != std::string::npos)
      return;
    Network joined;
    joined.name = mode == "default" ? "bridge" : mode;
    joined.key = std::string(kJoinedByMode) + joined.name;
    joined.external = joined.name != "bridge";
    joined.position = service.origin("network_mode");
    mode.clear();
    service.networks.push_back({.network = joined.key});
    std::string key = joined.key;
    project.networks.try_emplace(std::move(key), std::move(joined));
  }

  // x-pcompose: what is ours and no other reader of compose files minds.
  void own_extension(Project& project) {
    const Node* own = model_.root.find("x-pcompose");
    if (own == nullptr) return;
    for (const Entry& entry : own->entries) {
      std::string path = below("x-pcompose", entry.key);
      if (entry.key == "restart_unhealthy") {
        restart_unhealthy(entry, path, project);
      } else if (entry.key != "pod") {
        diagnostics_.error(entry.origin, path,
                           "is not known; 'pod: true' and 'restart_unhealthy: true' are");
      } else if (entry.value.is(Kind::mapping)) {
        project.pod = true;
        pod(entry.value, path, project);
      } else if (!entry.value.is(Kind::boolean)) {
        diagnostics_.error(entry.origin, path, "must be true, false or a mapping, {pid: true} say");
      } else {
        project.pod = own->flag("pod");
      }
    }
  }

  // For all services that do not say it themselves.
  void restart_unhealthy(const Entry& entry, const std::string& path, Project& project) {
    if (!entry.value.is(Kind::boolean))
      return diagnostics_.error(entry.origin, path, "must be true or false");
    bool wanted = model_.root.find("x-pcompose")->flag("restart_unhealthy");
    for (auto& [name, service] : project.services) {
      if (wanted && !service.restart_unhealthy) service.restart_unhealthy = true;
    }
  }

  void pod(const Node& node, const std::string& above, Project& project) {
    for (const Entry& entry : node.entries) {
      std::string path = below(above, entry.key);
      if (entry.key != "pid") {
        diagnostics_.error(entry.origin, path, "is not known; 'pid: true' is");
      } else if (!entry.value.is(Kind::boolean)) {
        diagnostics_.error(entry.origin, path, "must be true or false");
      } else {
        project.pod_pid = node.flag("pid");
      }
    }
  }

  void take_values(const std::string& section, const std::map<std::string, Material>& materials,
                   TextMap& out) {
    for (const auto& [key, material] : materials) {
      if (material.environment.empty()) continue;
      auto included = model_.included_values.find({section + key, material.environment});
      auto value = model_.environment.find(material.environment);
      if (included != model_.included_values.end()) {
        out[section + key] = included->second;
      } else if (value != model_.environment.end()) {
        out[section + key] = value->second;
      } else if (unsupported_ == Unsupported::refuse) {
        const Node& node = *model_.root.find(section.substr(0, section.size() - 1))->find(key);
        diagnostics_.refuse(node.find("environment")->origin, section + key + ".environment",
                            fmt::format("the variable {} is not set; set it where you run up, or "
                                        "in .env",
                                        material.environment));
      }
    }
  }

  void services(std::map<std::string, Service>& out, const Node& tree) {
    ServiceDecoder strict(unsupported_, diagnostics_);
    ServiceDecoder lenient(Unsupported::warn, diagnostics_);
    for (const Entry& entry : tree.entries) {
      bool needed = model_.needed.contains(entry.key);
      out.emplace(entry.key, (needed ? strict : lenient).decode(entry));
    }
  }

  // What cannot be done yet hurts nobody there.
  void disabled_services(std::map<std::string, Service>& out) {
    Diagnostics own;
    ServiceDecoder decoder(Unsupported::warn, own);
    for (const Entry& entry : model_.disabled_services.entries)
      out.emplace(entry.key, decoder.decode(entry));
    diagnostics_.take_errors(std::move(own));
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

  void driver(const Node& node, const std::string& path) {
    const Node* written = node.find("driver");
    if (written == nullptr) return;
    for (std::string_view known : {"", "default", "bridge", "macvlan", "ipvlan"}) {
      if (written->text == known) return;
    }
    report_unsupported(unsupported_, diagnostics_, *written, below(path, "driver"),
                       fmt::format("\"{}\"", written->text), "bridge, macvlan or ipvlan");
  }

  Network network(const Entry& entry) {
    const Node& node = entry.value;
    std::string path = below("networks", entry.key);
    Network out;
    NodeReader reader(node);
    fields(reader, out);
    out.key = entry.key;
    out.position = position_of(entry.origin);
    driver(node, path);
    const Node* ipam = node.find("ipam");
    if (ipam == nullptr) return out;
    only(*ipam, "driver", "default", path + ".ipam");
    NodeReader settings(*ipam);
    settings.field("driver", out.ipam_driver);
    settings.field("options", out.ipam_options);
    if (const Node* options = ipam->find("options"))
      diagnostics_.warning(options->origin, path + ".ipam.options",
                           "has no effect: the default driver has no options");
    settings.field("config", out.pools);
    if (out.pools.empty()) return out;
    out.subnet = out.pools.front().subnet;
    out.gateway = out.pools.front().gateway;
    return out;
  }

  Volume volume(const Entry& entry) {
    Volume out;
    NodeReader reader(entry.value);
    fields(reader, out);
    out.key = entry.key;
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
