// The text of a CDI file. JSON is YAML.
#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "compose/yaml_reader.h"
#include "compose/yaml_scalar.h"
#include "engine/runtime/names.h"
#include "scheduler/cdi.h"

namespace pcompose::scheduler {
namespace {

using compose::Kind;
using YamlNode = compose::Node;

[[noreturn]] void fail(const YamlNode& node, const std::string& what) {
  throw Error(what).at(node.position());
}

const std::vector<YamlNode>& items(const YamlNode& node, std::string_view key) {
  static const std::vector<YamlNode> kNone;
  const YamlNode* list = node.find(key);
  if (list == nullptr || list->is(Kind::null)) return kNone;
  if (!list->is(Kind::sequence)) fail(*list, fmt::format("{} is no list", key));
  return list->items;
}

std::string needed(const YamlNode& node, std::string_view key) {
  std::string text = node.text_of(key);
  if (text.empty()) fail(node, fmt::format("{} is missing", key));
  return text;
}

std::string absolute(const YamlNode& node, std::string_view key) {
  std::string path = needed(node, key);
  if (!path.starts_with('/')) fail(node, fmt::format("{}: {} is no absolute path", key, path));
  return path;
}

uint32_t number(const YamlNode& node) {
  auto value = compose::parse_integer(node.text);
  if (!value || *value < 0 || *value > std::numeric_limits<uint32_t>::max())
    fail(node, fmt::format("\"{}\" is no number of 32 bits", node.text));
  return static_cast<uint32_t>(*value);
}

CdiEdits::Node device_node(const YamlNode& node) {
  CdiEdits::Node out;
  out.device.path = absolute(node, "path");
  out.device.host_path =
      node.find("hostPath") != nullptr ? absolute(node, "hostPath") : out.device.path;
  std::string type = node.text_of("type");
  if (!type.empty()) {
    if (type.size() != 1 || std::string_view("bcup").find(type) == std::string_view::npos)
      fail(node, fmt::format("\"{}\" is no type of a device: b, c, u or p", type));
    out.device.type = type == "u" ? 'c' : type[0];  // mknod(1): u is an unbuffered c
    out.is_known = node.find("major") != nullptr || type == "p";
  }
  if (const YamlNode* major = node.find("major")) out.device.major = number(*major);
  if (const YamlNode* minor = node.find("minor")) out.device.minor = number(*minor);
  if (const YamlNode* mode = node.find("fileMode")) {
    out.device.mode = number(*mode) & 07777;
    out.has_mode = true;
  }
  if (const YamlNode* uid = node.find("uid")) out.device.uid = number(*uid);
  if (const YamlNode* gid = node.find("gid")) out.device.gid = number(*gid);
  out.has_owner = node.find("uid") != nullptr || node.find("gid") != nullptr;
  out.permissions = node.text_of("permissions", "rwm");
  if (out.permissions.find_first_not_of("rwm") != std::string::npos)
    fail(node, fmt::format("permissions: \"{}\" is none of r, w, m", out.permissions));
  return out;
}

engine::Mount mount_of(const YamlNode& node) {
  engine::Mount out;
  out.source = absolute(node, "hostPath");
  out.destination = absolute(node, "containerPath");
  out.type = node.text_of("type");
  bool bind = out.type.empty() || out.type == "bind" || out.type == "none";
  if (bind) out.type = "bind";
  out.recursive = false;
  for (const YamlNode& option : items(node, "options")) {
    using OptionKind = engine::runtime::MountOption::Kind;
    const auto* known = engine::runtime::mount_option(option.text);
    if (known == nullptr)
      fail(option, fmt::format("\"{}\" is no mount option that is known", option.text));
    if (known->kind == OptionKind::bind) {
      out.recursive = known->all;
    } else if (known->kind == OptionKind::propagation) {
      out.propagation = known->bits;
    } else if (known->kind != OptionKind::flag) {
      fail(option, fmt::format("the mount option \"{}\" is not supported here", option.text));
    } else if (bind) {
      (known->clear ? out.attributes_cleared : out.attributes) |= known->attributes;
    } else if (!known->clear) {
      out.flags |= static_cast<unsigned long>(known->bits);
    }
  }
  return out;
}

std::vector<std::string> texts(const YamlNode& node, std::string_view key) {
  std::vector<std::string> out;
  for (const YamlNode& item : items(node, key)) out.push_back(item.text);
  return out;
}

void add_hook(const YamlNode& node, engine::Hooks& hooks) {
  std::string name = needed(node, "hookName");
  const auto* kind = std::ranges::find(engine::kHookKinds, name, &engine::HookKind::name);
  if (kind == std::end(engine::kHookKinds))
    fail(node, fmt::format("hookName: \"{}\" is no hook", name));
  engine::Hook hook;
  hook.path = absolute(node, "path");
  hook.args = texts(node, "args");
  hook.env = texts(node, "env");
  if (const YamlNode* timeout = node.find("timeout")) {
    hook.timeout = static_cast<int>(std::min<uint32_t>(number(*timeout), 86400));
    if (*hook.timeout == 0) fail(*timeout, "timeout: 0 s are none");
  }
  (hooks.*kind->list).push_back(std::move(hook));
}

// What a later version added, and what cannot be had: said when a device of it is asked for.
void refuse_others(const YamlNode& node, CdiEdits& out) {
  static constexpr std::array kKnown = {"env", "deviceNodes", "mounts", "additionalGids", "hooks"};
  for (const compose::Entry& entry : node.entries) {
    if (std::ranges::find(kKnown, entry.key) == kKnown.end() && out.refused.empty())
      out.refused = fmt::format("{} ({})", entry.key, entry.value.position().str());
  }
}

CdiEdits edits(const YamlNode* node) {
  CdiEdits out;
  if (node == nullptr || node->is(Kind::null)) return out;
  if (!node->is(Kind::mapping)) fail(*node, "containerEdits is no mapping");
  for (const YamlNode& variable : items(*node, "env")) {
    if (variable.text.find('=') == std::string::npos)
      fail(variable, fmt::format("env: \"{}\" is no NAME=VALUE", variable.text));
    out.environment.push_back(variable.text);
  }
  for (const YamlNode& device : items(*node, "deviceNodes"))
    out.nodes.push_back(device_node(device));
  for (const YamlNode& mount : items(*node, "mounts")) out.mounts.push_back(mount_of(mount));
  for (const YamlNode& group : items(*node, "additionalGids")) out.groups.push_back(number(group));
  for (const YamlNode& hook : items(*node, "hooks")) add_hook(hook, out.hooks);
  refuse_others(*node, out);
  return out;
}

bool is_word(std::string_view text, std::string_view besides) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || besides.find(c) != std::string_view::npos;
  });
}

bool is_kind(std::string_view text) {
  size_t slash = text.find('/');
  return slash != std::string_view::npos && is_word(text.substr(0, slash), "_.-") &&
         is_word(text.substr(slash + 1), "_-");
}

CdiSpec spec_of(const YamlNode& root) {
  CdiSpec out;
  std::string version = needed(root, "cdiVersion");
  if (!version.starts_with("0.") && !version.starts_with("1."))
    fail(root, "cdiVersion: " + version + " is none of 0.x and 1.x");
  out.kind = needed(root, "kind");
  if (!is_kind(out.kind)) fail(root, "kind: " + out.kind + " is no VENDOR/CLASS");
  out.all = edits(root.find("containerEdits"));
  for (const YamlNode& device : items(root, "devices")) {
    std::string name = needed(device, "name");
    if (!is_cdi_name(out.kind + "=" + name)) fail(device, "\"" + name + "\" is no device's name");
    if (!out.devices.emplace(name, edits(device.find("containerEdits"))).second)
      fail(device, "the device " + name + " is described twice");
  }
  return out;
}

}  // namespace

bool is_cdi_name(std::string_view text) {
  size_t equals = text.find('=');
  return equals != std::string_view::npos && is_kind(text.substr(0, equals)) &&
         is_word(text.substr(equals + 1), "_-.:");
}

CdiSpec parse_cdi(std::string_view text, const std::string& path) {
  try {
    auto documents = compose::read_yaml(text, path);
    if (documents.size() != 1) throw Error(path + " is no CDI description");
    return spec_of(documents.front());
  } catch (const ComposeError& e) {
    throw Error(e.what());
  }
}

}  // namespace pcompose::scheduler
