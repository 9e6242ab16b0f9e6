#include "engine/runtime/config.h"

#include "base/error.h"

namespace pcompose::engine::runtime {
namespace {

std::vector<Hook> parse_hook_list(const JsonNode& hooks, std::string_view field) {
  std::vector<Hook> out;
  for (const JsonNode& node : hooks.items(field)) {
    Hook hook;
    hook.path = node.needed_text("path");
    if (!hook.path.starts_with('/')) node.fail_at("path", "must be absolute");
    hook.args = node.texts("args");
    if (node.has("env")) hook.env = node.texts("env");
    hook.timeout = node.number<int>("timeout");
    if (hook.timeout && *hook.timeout <= 0) node.fail_at("timeout", "must be greater than zero");
    out.push_back(std::move(hook));
  }
  return out;
}

void check_version(const JsonNode& root, const std::string& version) {
  if (version.starts_with("1.")) return;
  root.fail_at("ociVersion", "\"" + version + "\" is not one of the versions 1.x");
}

Root parse_root(const JsonNode& node) {
  Root root;
  root.path = node.needed_text("path");
  root.readonly = node.boolean("readonly", false);
  return root;
}

}  // namespace

Hooks parse_hooks(const JsonNode& node) {
  Hooks out;
  for (const auto& [name, list] : kHookKinds) out.*list = parse_hook_list(node, name);
  return out;
}

std::vector<IdMapping> parse_id_mappings(const JsonNode& node, std::string_view field) {
  std::vector<IdMapping> out;
  for (const JsonNode& m : node.items(field)) {
    out.push_back({m.needed_number<uint32_t>("containerID"), m.needed_number<uint32_t>("hostID"),
                   m.needed_number<uint32_t>("size")});
  }
  return out;
}

ContainerSpec parse_config(std::string_view text) {
  json::value document = parse_document(text, "config.json");
  JsonNode root(document, "");
  ContainerSpec spec;
  spec.oci_version = root.needed_text("ociVersion");
  check_version(root, spec.oci_version);
  if (!root.has("root")) root.fail_at("root", "is missing");
  spec.root = parse_root(*root.get("root"));
  for (const JsonNode& mount : root.items("mounts")) spec.mounts.push_back(parse_mount(mount));
  spec.has_process = root.has("process");
  if (spec.has_process) spec.process = parse_process(*root.get("process"));
  spec.hostname = root.text("hostname");
  spec.domainname = root.text("domainname");
  if (auto hooks = root.get("hooks")) spec.hooks = parse_hooks(*hooks);
  if (auto annotations = root.get("annotations")) {
    for (const auto& [key, value] : annotations->members()) spec.annotations[key] = value.text();
  }
  // podman's way to say so; the spec has none.
  auto keep = spec.annotations.find("run.oci.keep_original_groups");
  spec.process.user.keep_groups = keep != spec.annotations.end() && keep->second == "1";
  if (auto linux = root.get("linux")) spec.linux = parse_linux(*linux);
  return spec;
}

Process parse_process_document(std::string_view text) {
  json::value document = parse_document(text, "the process");
  return parse_process(JsonNode(document, ""));
}

}  // namespace pcompose::engine::runtime
