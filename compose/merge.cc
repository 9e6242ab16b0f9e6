#include "compose/merge.h"

#include <algorithm>

#include <fmt/format.h>

namespace pcompose::compose {
namespace {

constexpr Attribute kAny{"", Form::any};
constexpr Attribute kText{"", Form::text};

void merge_value(Node& base, Node&& over, const Attribute& attribute);

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

// With --no-interpolate they are still lists or mappings, as written.
bool is_pairs(Form form) { return form == Form::environment || form == Form::labels; }

void pairs_as_list(Node& node) {
  for (const Entry& entry : node.entries) {
    std::string text = entry.key;
    if (!entry.value.is(Kind::null)) text += "=" + entry.value.text;
    node.items.push_back(make_string(std::move(text), entry.origin));
  }
  node.entries.clear();
  node.kind = Kind::sequence;
}

// What makes a list's item the same thing as one of the base; "" where nothing does.
std::string identity(const Node& item, Form form) {
  if (is_pairs(form)) return item.text.substr(0, item.text.find('='));
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

Node without_resets(Node&& node) {
  Node fresh;
  fresh.kind = node.kind;
  fresh.origin = node.origin;
  merge_value(fresh, std::move(node), kAny);
  return fresh;
}

void merge_items(Node& base, Node&& over, Form form) {
  for (Node& item : over.items) {
    if (item.tag == MergeTag::reset) continue;
    std::string key = identity(item, form);
    auto same = [&](const Node& other) { return identity(other, form) == key; };
    auto old = key.empty() ? base.items.end() : std::ranges::find_if(base.items, same);
    Node fresh = without_resets(std::move(item));
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
void merge_pools(Node& base, Node&& over, const Attribute& attribute) {
  if (base.items.size() == 1 && over.items.size() == 1) {
    bool same = base.items[0].text_of("subnet") == over.items[0].text_of("subnet");
    if (!same) base.items.clear();
  }
  for (Node& item : over.items) {
    auto same = [&](const Node& other) {
      return other.text_of("subnet") == item.text_of("subnet");
    };
    auto old = std::ranges::find_if(base.items, same);
    if (old == base.items.end()) {
      base.items.push_back(without_resets(std::move(item)));
    } else {
      merge(*old, std::move(item), *attribute.object);
    }
  }
}

void replace(Node& base, Node&& over) {
  OriginPtr before = base.origin;
  base.kind = over.kind;
  base.text = std::move(over.text);
  base.plain = over.plain;
  base.items = std::move(over.items);
  base.entries = std::move(over.entries);
  base.origin = before == over.origin ? before : reached(over.origin, Way::override_by, before);
}

// Every entry of `over` into the mapping `base`, by one attribute.
void merge_entries(Node& base, Node&& over, const Attribute& attribute);

void add_entry(Node& base, Entry&& over, const Attribute& attribute) {
  base.entries.push_back({std::move(over.key), std::move(over.origin), {}});
  Node& fresh = base.entries.back().value;
  fresh.kind = over.value.kind;
  fresh.origin = over.value.origin;
  merge_value(fresh, std::move(over.value), attribute);
}

void merge_entry(Node& base, Entry&& over, const Attribute& attribute) {
  if (over.value.tag == MergeTag::reset) {
    base.erase(over.key);
    return;
  }
  Node* old = base.find(over.key);
  if (old == nullptr) return add_entry(base, std::move(over), attribute);
  if (over.value.tag == MergeTag::replace) {
    Node fresh;
    fresh.kind = over.value.kind;
    fresh.origin = over.value.origin;
    *old = std::move(fresh);
  }
  merge_value(*old, std::move(over.value), attribute);
}

void merge_entries(Node& base, Node&& over, const Attribute& attribute) {
  // Into an empty mapping nothing meets anything: a file's thousand services are not searched for.
  bool fresh = base.entries.empty();
  base.entries.reserve(base.entries.size() + over.entries.size());
  for (Entry& entry : over.entries) {
    if (fresh && entry.value.tag == MergeTag::none) {
      add_entry(base, std::move(entry), attribute);
    } else {
      merge_entry(base, std::move(entry), attribute);
    }
  }
}

void merge_logging(Node& base, Node&& over, const Attribute& attribute) {
  std::string before = base.text_of("driver");
  std::string after = over.text_of("driver");
  if (!before.empty() && !after.empty() && before != after) base.entries.clear();
  merge(base, std::move(over), *attribute.object);
}

void merge_mapping(Node& base, Node&& over, const Attribute& attribute) {
  switch (attribute.form) {
    case Form::object:
    case Form::build:
    case Form::extends:
      return merge(base, std::move(over), *attribute.object);
    case Form::logging:
      return merge_logging(base, std::move(over), attribute);
    case Form::named:
    case Form::services:
    case Form::memberships:
    case Form::models:
    case Form::depends_on: {
      Attribute element{"", Form::object, Support::yes, attribute.object};
      return merge_entries(base, std::move(over), element);
    }
    case Form::environment:
    case Form::labels:
    case Form::text_map:
    case Form::contexts:
    case Form::ulimits:
      return merge_entries(base, std::move(over), kText);
    default:
      return merge_entries(base, std::move(over), kAny);
  }
}

void merge_value(Node& base, Node&& over, const Attribute& attribute) {
  bool whole = attribute.form == Form::command || attribute.form == Form::health_test ||
               attribute.form == Form::text;
  // A null says nothing new, but an environment variable can be set back to "take it from outside".
  if (over.is(Kind::null) && !base.is(Kind::null) && !whole) return;
  if (is_pairs(attribute.form) && base.is(Kind::mapping) && over.is(Kind::sequence))
    pairs_as_list(base);
  if (is_pairs(attribute.form) && base.is(Kind::sequence) && over.is(Kind::mapping))
    pairs_as_list(over);
  if (whole || base.kind != over.kind || over.kind < Kind::sequence)
    return replace(base, std::move(over));
  if (over.is(Kind::mapping)) return merge_mapping(base, std::move(over), attribute);
  if (attribute.form == Form::ipam_pools) return merge_pools(base, std::move(over), attribute);
  merge_items(base, std::move(over), attribute.form);
}

}  // namespace

void merge(Node& base, Node over, const Object& object) {
  for (Entry& entry : over.entries) {
    const Attribute* attribute = object.find(entry.key);
    merge_entry(base, std::move(entry), attribute == nullptr ? kAny : *attribute);
  }
}

}  // namespace pcompose::compose
