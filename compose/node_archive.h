// Decodes canonical nodes into structs by the same lists of fields that JSON is made with
// (json_archive.h).
#pragma once

#include <chrono>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "compose/attributes.h"
#include "compose/units.h"
#include "compose/yaml_node.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {

// A field that is not there keeps its value. The canonical form has been checked: nothing is
// reported here.
class NodeReader {
 public:
  explicit NodeReader(const Node& node) : node_(node) {}

  template <class T>
  void field(std::string_view name, T& value) {
    if constexpr (std::same_as<T, Position>) {
      if (name == "position") value = node_.position();
    } else if (const Node* found = node_.find(name)) {
      get(*found, value);
    }
  }

  template <class T>
  void always(std::string_view name, T& value) {
    field(name, value);
  }

  template <class T>
  static void get(const Node& node, T& out) {
    if constexpr (std::same_as<T, bool>) {
      out = node.text == "true";
    } else if constexpr (std::floating_point<T>) {
      out = parse_real(node.text).value_or(0);
    } else if constexpr (std::integral<T>) {
      out = static_cast<T>(parse_integer(node.text).value_or(0));
    } else if constexpr (std::same_as<T, std::string>) {
      out = node.text;
    } else if constexpr (std::same_as<T, Milliseconds>) {
      auto value = parse_duration(node.text);
      if (value) out = std::chrono::duration_cast<Milliseconds>(*value);
    } else {
      compound(node, out);
    }
  }

 private:
  template <class T>
  static void compound(const Node& node, std::optional<T>& out) {
    if (!node.is(Kind::null)) get(node, out.emplace());
  }
  template <class T>
  static void compound(const Node& node, std::vector<T>& out) {
    for (const Node& item : node.items) get(item, out.emplace_back());
    if constexpr (std::same_as<T, std::string>) {
      // One instead of a list, and a mapping instead of name=value (build.ssh).
      if (node.scalar()) out.push_back(node.text);
      for (const Entry& entry : node.entries)
        out.push_back(entry.value.scalar() ? entry.key + "=" + entry.value.text : entry.key);
    }
  }
  template <class T>
  static void compound(const Node& node, std::map<std::string, T>& out) {
    for (const Entry& entry : node.entries) get(entry.value, out[entry.key]);
  }
  static void compound(const Node& node, Ulimit& out) {
    if (node.scalar()) {
      get(node, out.soft);
      out.hard = out.soft;
      return;
    }
    NodeReader reader(node);
    fields(reader, out);
  }
  template <class T>
  static void compound(const Node& node, T& out) {
    NodeReader reader(node);
    fields(reader, out);
  }

  const Node& node_;
};

}  // namespace pcompose::compose
