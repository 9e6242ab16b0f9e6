#include "compose/normalize.h"

#include <set>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

void add_dependency(Node& service, const std::string& name, const OriginPtr& origin, bool restart) {
  Node* dependencies = service.find("depends_on");
  if (dependencies == nullptr) dependencies = &service.set("depends_on", make_mapping(origin));
  if (dependencies->find(name) != nullptr) return;
  Node& one = dependencies->set(name, make_mapping(origin));
  one.set("condition", make_string("service_started", origin));
  if (restart) one.set("restart", make_boolean(true, origin));
  one.set("required", make_boolean(true, origin));
}

void imply(Node& service) {
  for (std::string_view key : {"network_mode", "ipc", "pid", "uts", "cgroup"}) {
    const Node* mode = service.find(key);
    if (mode == nullptr || !mode->text.starts_with("service:")) continue;
    add_dependency(service, mode->text.substr(8), OriginPtr(mode->origin), true);
  }
  std::vector<Node> links;
  if (const Node* node = service.find("links")) links = node->items;
  for (const Node& link : links) {
    add_dependency(service, link.text.substr(0, link.text.find(':')), link.origin, true);
  }
  std::vector<Node> sources;
  if (const Node* node = service.find("volumes_from")) sources = node->items;
  for (const Node& source : sources) {
    if (source.text.starts_with("container:")) continue;
    add_dependency(service, source.text.substr(0, source.text.find(':')), source.origin, false);
  }
}

void default_build(Node& service) {
  Node* build = service.find("build");
  if (build == nullptr) return;
  if (build->find("dockerfile") == nullptr && build->find("dockerfile_inline") == nullptr) {
    build->set("dockerfile", make_string("Dockerfile", build->origin));
  }
}

void default_deploy(Node& service) {
  Node* deploy = service.find("deploy");
  if (deploy == nullptr || !deploy->is(Kind::mapping)) return;
  const Node* scale = service.find("scale");
  if (scale != nullptr && deploy->find("replicas") == nullptr) deploy->set("replicas", *scale);
  for (std::string_view key : {"update_config", "rollback_config"}) {
    Node* update = deploy->find(key);
    if (update == nullptr) continue;
    for (std::string_view pause : {"delay", "monitor"}) {
      if (update->text_of(pause) == "0s") update->erase(pause);
    }
  }
}

void default_service(Node& service) {
  default_build(service);
  default_deploy(service);
  if (Node* policy = service.find("pull_policy");
      policy != nullptr && policy->text == "if_not_present") {
    policy->text = "missing";
  }
  const Node* networks = service.find("networks");
  bool none = networks == nullptr || networks->entries.empty();
  if (!none || service.find("network_mode") != nullptr || service.find("provider") != nullptr)
    return;
  Node& fresh = service.set("networks", make_mapping(service.origin));
  Node nothing;
  nothing.origin = service.origin;
  fresh.set("default", std::move(nothing));
}

void name_resources(Node& root, std::string_view kind, const std::string& project) {
  Node* resources = root.find(kind);
  if (resources == nullptr) return;
  for (Entry& entry : resources->entries) {
    Node& node = entry.value;
    if (!node.text_of("name").empty()) continue;
    std::string name = node.flag("external") ? entry.key : fmt::format("{}_{}", project, entry.key);
    node.set("name", make_string(std::move(name), node.origin));
  }
}

void note_grants(const Node& owner, std::string_view kind, std::set<std::string>& used) {
  const Node* grants = owner.find(kind);
  if (grants == nullptr) return;
  for (const Node& grant : grants->items) used.insert(grant.text_of("source"));
}

std::set<std::string> used_names(const Node& services, std::string_view kind) {
  std::set<std::string> used;
  for (const Entry& entry : services.entries) {
    const Node* list = entry.value.find(kind);
    if (const Node* build = entry.value.find("build")) note_grants(*build, kind, used);
    if (list == nullptr) continue;
    for (const Entry& member : list->entries) used.insert(member.key);
    for (const Node& item : list->items) {
      if (kind != "volumes" || item.text_of("type") == "volume")
        used.insert(item.text_of("source"));
    }
  }
  return used;
}

}  // namespace

std::set<std::string> with_dependencies(const Node& services,
                                        const std::vector<std::string>& names) {
  std::set<std::string> out;
  std::vector<std::string> open = names;
  if (names.empty()) {
    for (const Entry& entry : services.entries) open.push_back(entry.key);
  }
  while (!open.empty()) {
    std::string name = std::move(open.back());
    open.pop_back();
    const Node* service = services.find(name);
    if (service == nullptr || !out.insert(name).second) continue;
    if (const Node* dependencies = service->find("depends_on")) {
      for (const Entry& entry : dependencies->entries) open.push_back(entry.key);
    }
  }
  return out;
}

void add_implied_dependencies(Node& services) {
  for (Entry& entry : services.entries) imply(entry.value);
}

void add_default_values(Node& services, const std::string& directory) {
  for (Entry& entry : services.entries) {
    Node* build = entry.value.find("build");
    if (build != nullptr && build->find("context") == nullptr)
      build->set("context", make_string(directory, build->origin));
    Node* secrets = entry.value.find("secrets");
    if (secrets == nullptr) continue;
    for (Node& secret : secrets->items) {
      if (secret.find("target") != nullptr) continue;
      secret.set("target", make_string("/run/secrets/" + secret.text_of("source"), secret.origin));
    }
  }
}

void add_defaults(Node& root, const std::string& project_name) {
  if (Node* services = root.find("services")) {
    for (Entry& entry : services->entries) default_service(entry.value);
    bool wanted = used_names(*services, "networks").contains("default");
    OriginPtr origin = services->origin;
    // From here on `services` dangles: adding to the root moves its entries.
    if (wanted && root.find("networks") == nullptr) root.set("networks", make_mapping(origin));
    Node* networks = root.find("networks");
    if (wanted && networks->find("default") == nullptr)
      networks->set("default", make_mapping(origin));
  }
  for (std::string_view kind : {"networks", "volumes", "secrets", "configs"}) {
    name_resources(root, kind, project_name);
  }
}

void drop_unused(Node& root) {
  const Node* services = root.find("services");
  for (std::string_view kind : {"networks", "volumes", "secrets", "configs"}) {
    Node* resources = root.find(kind);
    if (resources == nullptr) continue;
    std::set<std::string> used =
        services == nullptr ? std::set<std::string>() : used_names(*services, kind);
    std::erase_if(resources->entries,
                  [&](const Entry& entry) { return !used.contains(entry.key); });
  }
}

}  // namespace pcompose::compose
