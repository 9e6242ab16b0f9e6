// The attributes of a service, a build and a resource that have forms of their own.
#include <algorithm>

#include <fmt/format.h>

#include "compose/canonical.h"
#include "compose/paths.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

// A mapping with one key, in the place of the string that stood for it.
Node wrapped(std::string_view key, Node value) {
  Node out = make_mapping(value.origin);
  out.tag = value.tag;
  value.tag = MergeTag::none;
  out.set(key, std::move(value));
  return out;
}

bool is_remote(std::string_view context) {
  return context.find("://") != std::string_view::npos || context.starts_with("github.com/") ||
         context.starts_with("git@");
}

}  // namespace

// A list of names -> a mapping from each to null.
bool Canonicalizer::names_to_map(Node& node, const std::string& path) {
  if (node.is(Kind::mapping)) return true;
  if (!node.is(Kind::sequence)) {
    return fail(node, path,
                fmt::format("must be a list or a mapping, this is {}", kind_name(node.kind)));
  }
  if (!distinct(node, path)) return false;
  Node out = make_mapping(node.origin);
  out.tag = node.tag;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    if (item.tag == MergeTag::reset || !string(item, at_index(path, i))) continue;
    Node nothing;
    nothing.origin = item.origin;
    out.set(item.text, std::move(nothing));
  }
  node = std::move(out);
  return true;
}

bool Canonicalizer::memberships(Node& node, const Attribute& attribute, const std::string& path) {
  if (!names_to_map(node, path)) return false;
  for (Entry& entry : node.entries) {
    if (entry.value.is(Kind::null) || entry.value.tag == MergeTag::reset) continue;
    object(entry.value, *attribute.object, below(path, entry.key));
  }
  return true;
}

bool Canonicalizer::depends_on(Node& node, const Attribute& attribute, const std::string& path) {
  bool listed = node.is(Kind::sequence);
  if (!names_to_map(node, path)) return false;
  for (Entry& entry : node.entries) {
    if (entry.value.tag == MergeTag::reset) continue;
    if (listed) {
      entry.value = make_mapping(entry.value.origin);
      entry.value.set("condition", make_string("service_started", entry.value.origin));
    }
    object(entry.value, *attribute.object, below(path, entry.key));
    if (entry.value.find("required") == nullptr) {
      entry.value.set("required", make_boolean(true, entry.value.origin));
    }
  }
  return true;
}

bool Canonicalizer::env_file(Node& node, const Attribute& attribute, const std::string& path) {
  if (node.is(Kind::string)) {
    Node list = make_sequence(node.origin);
    list.tag = node.tag;
    list.items.push_back(node);
    node = std::move(list);
  }
  if (!expect(node, Kind::sequence, path)) return false;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    if (item.is(Kind::string)) item = wrapped("path", std::move(item));
    object(item, *attribute.object, at_index(path, i));
    if (item.is(Kind::mapping) && item.find("required") == nullptr) {
      item.set("required", make_boolean(true, item.origin));
    }
  }
  std::erase_if(node.items, [](const Node& item) { return item.find("path") == nullptr; });
  return true;
}

bool Canonicalizer::build(Node& node, const Attribute& attribute, const std::string& path) {
  if (node.is(Kind::string)) node = wrapped("context", std::move(node));
  if (!expect(node, Kind::mapping, path)) return false;
  object(node, *attribute.object, path);
  Node* context = node.find("context");
  if (context != nullptr && !is_remote(context->text)) context->text = resolved(context->text);
  return true;
}

bool Canonicalizer::contexts(Node& node, const std::string& path) {
  if (!pairs(node, path, Bare::empty)) return false;
  for (Entry& entry : node.entries) {
    std::string& text = entry.value.text;
    if (!is_remote(text) && !text.starts_with("service:")) text = resolved(text);
  }
  return true;
}

bool Canonicalizer::grants(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    if (item.is(Kind::string)) item = wrapped("source", std::move(item));
    object(item, *attribute.object, at_index(path, i));
  }
  std::erase_if(node.items, [](const Node& item) { return !item.is(Kind::mapping); });
  return true;
}

bool Canonicalizer::ulimits(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::mapping, path)) return false;
  for (Entry& entry : node.entries) {
    if (entry.value.tag == MergeTag::reset) continue;
    std::string at = below(path, entry.key);
    if (entry.value.is(Kind::mapping)) {
      object(entry.value, *attribute.object, at);
    } else {
      integer(entry.value, at);
    }
  }
  return true;
}

bool Canonicalizer::devices(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    std::string at = at_index(path, i);
    if (item.is(Kind::string)) {
      std::string text = item.text;
      size_t first = text.find(':');
      size_t second = first == std::string::npos ? first : text.find(':', first + 1);
      item = wrapped("source", make_string(text.substr(0, first), item.origin));
      if (first != std::string::npos) {
        item.set("target", make_string(text.substr(first + 1, second - first - 1), item.origin));
      }
      if (second != std::string::npos) {
        item.set("permissions", make_string(text.substr(second + 1), item.origin));
      }
    }
    object(item, *attribute.object, at);
    if (!item.is(Kind::mapping)) continue;
    if (item.text_of("target").empty()) {
      item.set("target", make_string(item.text_of("source"), item.origin));
    }
    if (item.find("permissions") == nullptr)
      item.set("permissions", make_string("rwm", item.origin));
  }
  std::erase_if(node.items, [](const Node& item) { return item.find("source") == nullptr; });
  return true;
}

bool Canonicalizer::device_requests(Node& node, const Attribute& attribute,
                                    const std::string& path) {
  if (node.is(Kind::string) && node.text == "all") {
    Node all = make_sequence(node.origin);
    all.items.push_back(wrapped("count", make_integer(-1, node.origin)));
    node = std::move(all);
  }
  if (!objects(node, *attribute.object, path)) return false;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    Node* count = item.find("count");
    if (count != nullptr && count->text == "all") *count = make_integer(-1, count->origin);
    if (count != nullptr) integer(*count, below(at_index(path, i), "count"));
    if (count != nullptr && item.find("device_ids") != nullptr) {
      fail(item, at_index(path, i), "'count' and 'device_ids' exclude each other; remove one");
    }
  }
  return true;
}

bool Canonicalizer::extends(Node& node, const Attribute& attribute, const std::string& path) {
  if (node.is(Kind::string)) node = wrapped("service", std::move(node));
  if (!expect(node, Kind::mapping, path)) return false;
  object(node, *attribute.object, path);
  return node.find("service") != nullptr;
}

bool Canonicalizer::includes(Node& node, const Attribute& attribute, const std::string& path) {
  if (!expect(node, Kind::sequence, path)) return false;
  for (size_t i = 0; i < node.items.size(); ++i) {
    Node& item = node.items[i];
    if (item.is(Kind::string)) item = wrapped("path", std::move(item));
    object(item, *attribute.object, at_index(path, i));
  }
  std::erase_if(node.items, [](const Node& item) { return item.find("path") == nullptr; });
  return true;
}

// `external: {name: x}` is an old way to say `external: true` and `name: x`.
bool Canonicalizer::external(Node& node, Node& around, const std::string& path) {
  if (node.is(Kind::null)) return true;
  if (!node.is(Kind::mapping)) return boolean(node, path);
  const Node* name = node.find("name");
  diagnostics_.warning(node.origin, path,
                       "'external: {name: …}' is obsolete; write external: true and name: …");
  if (name != nullptr && name->is(Kind::string)) {
    around.entries.push_back({"name", name->origin, make_string(name->text, name->origin)});
  }
  node = make_boolean(true, node.origin);
  return true;
}

}  // namespace pcompose::compose
