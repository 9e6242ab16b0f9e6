#include "compose/merge.h"

#include <algorithm>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

constexpr Attribute kAny{"", Form::any};
constexpr Attribute kText{"", Form::text};

void merge_value(Node& base, const Node& over, const Attribute& attribute);

bool same_value(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text || a.items.size() != b.items.size()) return false;
  for (size_t i = 0; i < a.items.size(); ++i) {
    if (!same_value(a.items[i], b.items[i])) return false;
  }
  return a.entries.size() == b.entries.size() &&
         std::ranges::all_of(a.entries, [&](const Entry& entry) {
           const Node* other = b.find(entry.key);
           return other != nullptr && same_value(entry.value, *other);
         });
}

// What makes a list's item the same thing as one of the base; "" where nothing does.
std::string identity(const Node& item, Form form) {
  if (form != Form::ipam_pools && item.is(Kind::string)) return item.text;
  switch (form) {
    case Form::ports:
      return fmt::format("{}|{}|{}|{}", item.text_of("host_ip"), item.text_of("published"),
                         item.text_of("target"), item.text_of("protocol"));
    case Form::mounts:
    case Form::devices:
      return item.text_of("target");
    case Form::grants:
      return item.text_of("target", item.text_of("source"));
    case Form::env_file:
      return item.text_of("path");
    case Form::unique:
    case Form::texts:
    case Form::extra_hosts:
    case Form::string_or_list:
      return item.text;
    default:
      return "";
  }
}

Node without_resets(const Node& node) {
  Node fresh;
  fresh.kind = node.kind;
  fresh.origin = node.origin;
  merge_value(fresh, node, kAny);
  return fresh;
}

void merge_items(Node& base, const Node& over, Form form) {
  for (const Node& item : over.items) {
    if (item.tag == MergeTag::reset) continue;
    std::string key = identity(item, form);
    auto same = [&](const Node& other) { return identity(other, form) == key; };
    auto old = key.empty() ? base.items.end() : std::ranges::find_if(base.items, same);
    Node fresh = without_resets(item);
    if (old == base.items.end()) {
      base.items.push_back(std::move(fresh));
    } else if (!same_value(*old, fresh)) {
      fresh.origin = reached(fresh.origin, Way::override_by, old->origin);
      *old = std::move(fresh);
    }
  }
}

// One pool stands for "the" subnet, so another file's pool takes its place; several are told apart
// by subnet.
void merge_pools(Node& base, const Node& over, const Attribute& attribute) {
  if (base.items.size() == 1 && over.items.size() == 1) {
    bool same = base.items[0].text_of("subnet") == over.items[0].text_of("subnet");
    if (!same) base.items.clear();
  }
  for (const Node& item : over.items) {
    auto same = [&](const Node& other) {
      return other.text_of("subnet") == item.text_of("subnet");
    };
    auto old = std::ranges::find_if(base.items, same);
    if (old == base.items.end()) {
      base.items.push_back(without_resets(item));
    } else {
      merge(*old, item, *attribute.object);
    }
  }
}

void replace(Node& base, const Node& over) {
  OriginPtr before = base.origin;
  base.kind = over.kind;
  base.text = over.text;
  base.plain = over.plain;
  base.items = over.items;
  base.entries = over.entries;
  base.origin = before == over.origin ? before : reached(over.origin, Way::override_by, before);
}

// Every entry of `over` into the mapping `base`, by one attribute.
void merge_entries(Node& base, const Node& over, const Attribute& attribute);

void merge_entry(Node& base, const Entry& over, const Attribute& attribute) {
  if (over.value.tag == MergeTag::reset) {
    base.erase(over.key);
    return;
  }
  Node* old = base.find(over.key);
  if (old == nullptr || over.value.tag == MergeTag::replace) {
    Node fresh;
    fresh.kind = over.value.kind;
    fresh.origin = over.value.origin;
    if (old == nullptr) {
      base.entries.push_back({over.key, over.origin, std::move(fresh)});
      old = &base.entries.back().value;
    } else {
      *old = std::move(fresh);
    }
  }
  merge_value(*old, over.value, attribute);
}

void merge_entries(Node& base, const Node& over, const Attribute& attribute) {
  for (const Entry& entry : over.entries) merge_entry(base, entry, attribute);
}

void merge_logging(Node& base, const Node& over, const Attribute& attribute) {
  std::string before = base.text_of("driver");
  std::string after = over.text_of("driver");
  if (!before.empty() && !after.empty() && before != after) base.entries.clear();
  merge(base, over, *attribute.object);
}

void merge_mapping(Node& base, const Node& over, const Attribute& attribute) {
  switch (attribute.form) {
    case Form::object:
    case Form::build:
    case Form::extends:
      return merge(base, over, *attribute.object);
    case Form::logging:
      return merge_logging(base, over, attribute);
    case Form::named:
    case Form::services:
    case Form::memberships:
    case Form::models:
    case Form::depends_on: {
      Attribute element{"", Form::object, Support::yes, attribute.object};
      return merge_entries(base, over, element);
    }
    case Form::environment:
    case Form::labels:
    case Form::text_map:
    case Form::contexts:
    case Form::ulimits:
      return merge_entries(base, over, kText);
    default:
      return merge_entries(base, over, kAny);
  }
}

void merge_value(Node& base, const Node& over, const Attribute& attribute) {
  bool whole = attribute.form == Form::command || attribute.form == Form::health_test ||
               attribute.form == Form::text;
  // A null says nothing new, but an environment variable can be set back to "take it from outside".
  if (over.is(Kind::null) && !base.is(Kind::null) && !whole) return;
  if (whole || base.kind != over.kind || over.kind < Kind::sequence) return replace(base, over);
  if (over.is(Kind::mapping)) return merge_mapping(base, over, attribute);
  if (attribute.form == Form::ipam_pools) return merge_pools(base, over, attribute);
  merge_items(base, over, attribute.form);
}

}  // namespace

void merge(Node& base, const Node& over, const Object& object) {
  for (const Entry& entry : over.entries) {
    const Attribute* attribute = object.find(entry.key);
    merge_entry(base, entry, attribute == nullptr ? kAny : *attribute);
  }
}

}  // namespace pcompose::compose
