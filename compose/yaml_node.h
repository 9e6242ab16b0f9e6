// The node tree: what a compose file holds, with an origin for every key and every value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compose/origin.h"

namespace pcompose::compose {

enum class Kind : uint8_t { null, boolean, integer, real, string, sequence, mapping };

// !reset and !override, which say how a value meets the one it overrides.
enum class MergeTag : uint8_t { none, reset, replace };

struct Entry;

// A value. Copying copies the whole subtree.
struct Node {
  Kind kind = Kind::null;
  MergeTag tag = MergeTag::none;
  bool plain = false;  // a scalar written without quotes
  std::string text;    // scalars: as written, once canonical in its canonical form
  std::vector<Node> items;
  std::vector<Entry> entries;  // in the file's order, keys unique
  OriginPtr origin;

  [[nodiscard]] bool is(Kind k) const { return kind == k; }
  [[nodiscard]] bool scalar() const { return kind < Kind::sequence && kind != Kind::null; }
  // The value of a key; nullptr where there is none or this is no mapping.
  [[nodiscard]] const Node* find(std::string_view key) const;
  [[nodiscard]] Node* find(std::string_view key);
  [[nodiscard]] const Entry* find_entry(std::string_view key) const;
  // find(key)->text, or `otherwise` where there is none or it is null.
  [[nodiscard]] std::string text_of(std::string_view key, std::string_view otherwise = "") const;
  // True where the key's value is the boolean true.
  [[nodiscard]] bool flag(std::string_view key) const;
  // Sets or adds; the key's origin is the value's.
  Node& set(std::string_view key, Node value);
  bool erase(std::string_view key);
  [[nodiscard]] Position position() const { return position_of(origin); }
};

struct Entry {
  std::string key;
  OriginPtr origin;  // of the key
  Node value;
};

Node make_string(std::string text, OriginPtr origin);
Node make_boolean(bool value, OriginPtr origin);
Node make_integer(int64_t value, OriginPtr origin);
Node make_sequence(OriginPtr origin);
Node make_mapping(OriginPtr origin);

// What to call it in a message: "a list", "a mapping", "a number", …
std::string_view kind_name(Kind kind);

}  // namespace pcompose::compose
