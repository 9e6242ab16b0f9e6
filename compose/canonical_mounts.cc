// Mounts: the short form becomes the long one.
#include <algorithm>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/interpolate.h"
#include "compose/mount_syntax.h"
#include "compose/paths.h"

namespace pcompose::compose {
namespace {

void apply_option(Node& mount, const std::string& option, const OriginPtr& origin) {
  Node* bind = mount.find("bind");
  Node* volume = mount.find("volume");
  if (option == "ro") {
    mount.set("read_only", make_boolean(true, origin));
  } else if (option == "nocopy" && volume != nullptr) {
    volume->set("nocopy", make_boolean(true, origin));
  } else if (option == "z" || option == "Z") {
    if (bind == nullptr) bind = &mount.set("bind", make_mapping(origin));
    bind->set("selinux", make_string(option, origin));
  } else if (bind != nullptr && (option.ends_with("shared") || option.ends_with("slave") ||
                                 option.ends_with("private"))) {
    bind->set("propagation", make_string(option, origin));
  }
  // rw is the default; cached, delegated and consistent mean nothing on Linux.
}

}  // namespace

bool Canonicalizer::mounts(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  std::erase_if(node.items, [](const Node& item) { return item.tag == MergeTag::reset; });
  std::vector<Node> out;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    std::string at = at_index(path, i);
    if (item.is(Kind::mapping)) {
      object(item, *attribute.object, at);
      if (long_mount(item, at)) out.push_back(std::move(item));
      continue;
    }
    if (!string(item, at)) continue;
    auto spec = parse_mount(item.text);
    if (!spec && options_.raw && has_variable(item.text)) {
      out.push_back(std::move(item));
      continue;
    }
    if (!spec) {
      fail(item, at, spec.error());
      continue;
    }
    Node mount = make_mapping(item.origin);
    mount.set("type", make_string(spec->bind() ? "bind" : "volume", item.origin));
    if (!spec->source.empty()) mount.set("source", make_string(spec->source, item.origin));
    mount.set("target", make_string(spec->target, item.origin));
    Node& options = mount.set(spec->bind() ? "bind" : "volume", make_mapping(item.origin));
    if (spec->bind()) options.set("create_host_path", make_boolean(true, item.origin));
    for (const std::string& option : spec->options) apply_option(mount, option, item.origin);
    if (long_mount(mount, at)) out.push_back(std::move(mount));
  }
  node.items = std::move(out);
  return true;
}

bool Canonicalizer::long_mount(Node& node, const std::string& path) {
  std::string type = node.text_of("type");
  if (type.empty()) return false;
  Node* target = node.find("target");
  if (target == nullptr || target->text.empty()) {
    return fail(node, path, "'target' is missing; say where in the container to mount");
  }
  if (target->text.starts_with('/')) target->text = clean_path(target->text);
  Node* source = node.find("source");
  if (type == "bind") {
    if (source == nullptr || source->text.empty()) {
      return fail(node, path, "'source' is missing; say which path of the host to mount");
    }
    // A path with a drive letter stays: there is nothing on this machine that it could mean.
    const std::string& text = source->text;
    bool drive =
        is_path(text) && text.size() > 2 && text[1] == ':' && (text[2] == '/' || text[2] == '\\');
    if (!drive) source->text = resolved(source->text);
  } else if (type == "image" && (source == nullptr || source->text.empty())) {
    return fail(node, path, "'source' is missing; say which image to mount");
  } else if (type == "tmpfs" && source != nullptr) {
    return fail(*source, below(path, "source"), "a tmpfs has no source; remove it");
  } else if (type == "npipe" || type == "cluster") {
    unsupported_.push_back({node.find("type")->origin, fmt::format("{}.type {}", path, type)});
  }
  return true;
}

}  // namespace pcompose::compose
