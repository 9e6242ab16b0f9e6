#include "compose/yaml_node.h"

#include <algorithm>

namespace pcompose::compose {

const Entry* Node::find_entry(std::string_view key) const {
  auto it = std::ranges::find(entries, key, &Entry::key);
  return it == entries.end() ? nullptr : &*it;
}

const Node* Node::find(std::string_view key) const {
  const Entry* entry = find_entry(key);
  return entry == nullptr ? nullptr : &entry->value;
}

Node* Node::find(std::string_view key) {
  auto it = std::ranges::find(entries, key, &Entry::key);
  return it == entries.end() ? nullptr : &it->value;
}

std::string Node::text_of(std::string_view key, std::string_view otherwise) const {
  const Node* node = find(key);
  return node != nullptr && node->scalar() ? node->text : std::string(otherwise);
}

bool Node::flag(std::string_view key) const {
  const Node* node = find(key);
  return node != nullptr && node->is(Kind::boolean) && node->text == "true";
}

Node& Node::set(std::string_view key, Node value) {
  if (Node* old = find(key)) return *old = std::move(value);
  OriginPtr place = value.origin;
  entries.push_back({std::string(key), std::move(place), std::move(value)});
  return entries.back().value;
}

bool Node::erase(std::string_view key) {
  return std::erase_if(entries, [&](const Entry& e) { return e.key == key; }) > 0;
}

namespace {

Node make(Kind kind, std::string text, OriginPtr origin) {
  Node node;
  node.kind = kind;
  node.text = std::move(text);
  node.origin = std::move(origin);
  return node;
}

}  // namespace

Node make_string(std::string text, OriginPtr origin) {
  return make(Kind::string, std::move(text), std::move(origin));
}
Node make_boolean(bool value, OriginPtr origin) {
  return make(Kind::boolean, value ? "true" : "false", std::move(origin));
}
Node make_integer(int64_t value, OriginPtr origin) {
  return make(Kind::integer, std::to_string(value), std::move(origin));
}
Node make_sequence(OriginPtr origin) { return make(Kind::sequence, "", std::move(origin)); }
Node make_mapping(OriginPtr origin) { return make(Kind::mapping, "", std::move(origin)); }

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "a boolean";
    case Kind::integer:
      return "an integer";
    case Kind::real:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::sequence:
      return "a list";
    case Kind::mapping:
      return "a mapping";
  }
  return "a value";
}

}  // namespace pcompose::compose
