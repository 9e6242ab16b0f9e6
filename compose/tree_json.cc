#include "compose/tree_json.h"

#include <algorithm>

#include "compose/schema.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

class TreeWriter {
 public:
  TreeWriter(Dollars dollars, ConfigFormat format) : dollars_(dollars), format_(format) {}

  json::object file(const Node& root, const std::string& name) {
    json::object out;
    out["name"] = name;
    for (std::string_view key :
         {"services", "networks", "volumes", "secrets", "configs", "models"}) {
      const Node* node = root.find(key);
      if (node == nullptr || (node->entries.empty() && key != "services")) continue;
      out[key] = value(*node, file_schema().find(key));
    }
    for (const Entry& entry : root.entries) {
      if (entry.key.starts_with("x-")) out[entry.key] = value(entry.value, nullptr);
    }
    return out;
  }

 private:
  static bool structured(Form form) {
    switch (form) {
      case Form::object:
      case Form::logging:
      case Form::build:
      case Form::extends:
        return true;
      default:
        return false;
    }
  }

  // By names that the user chose (services, environment, …), or by an object's attributes.
  json::value mapping(const Node& node, const Attribute* attribute) {
    bool object = attribute != nullptr && structured(attribute->form);
    json::object out;
    std::vector<const Entry*> sorted;
    for (const Entry& entry : node.entries) sorted.push_back(&entry);
    const Object* ordered = object && dollars_ == Dollars::escape ? attribute->object : nullptr;
    std::ranges::sort(sorted, {}, [&](const Entry* e) {
      return std::pair(ordered == nullptr ? nullptr : ordered->find(e->key),
                       std::string_view(e->key));
    });
    Attribute element{"", Form::object, Support::yes,
                      attribute == nullptr ? nullptr : attribute->object};
    for (const Entry* entry : sorted) {
      if (object && entry->key.starts_with("x-")) continue;
      const Attribute* below = object                      ? attribute->object->find(entry->key)
                               : element.object != nullptr ? &element
                                                           : nullptr;
      if (below != nullptr && left_out(*entry, *below)) continue;
      bool no_limit = as_json() && attribute != nullptr && attribute->form == Form::ulimits &&
                      entry->value.text == "0";
      out[shown_key(*entry, attribute)] =
          no_limit ? json::value(json::object()) : value(entry->value, below);
    }
    if (attribute != nullptr && attribute->name == "deploy" && dollars_ == Dollars::escape)
      out.emplace("resources", json::object());
    bool watch = as_json() && object && attribute->object->name == "watch";
    if (watch) out.emplace("exec", json::object({{"command", nullptr}}));
    return out;
  }

  // Programs that read JSON know it as docker compose prints it, where that is no compose file any
  // more; YAML is a compose file again.
  [[nodiscard]] bool as_json() const { return format_ == ConfigFormat::json; }

  // Docker Compose prints these two by the names of its own struct.
  [[nodiscard]] std::string_view shown_key(const Entry& entry, const Attribute* around) const {
    bool quirk = as_json() && around != nullptr && around->object != nullptr &&
                 around->object->name == "device weight";
    if (!quirk) return entry.key;
    return entry.key == "weight" ? "Weight" : "Path";
  }

  // What docker compose leaves out because its own structs cannot tell it from "not given".
  static bool left_out(const Entry& entry, const Attribute& attribute) {
    if (attribute.form == Form::command || attribute.form == Form::any) return false;
    const Node& node = entry.value;
    if (node.is(Kind::sequence) && node.items.empty()) return true;
    if (node.is(Kind::string) && node.text.empty()) return true;
    bool set = node.is(Kind::mapping) && node.entries.empty();
    if (set && !structured(attribute.form)) return true;
    return (attribute.name == "delay" && node.text == "0s") ||
           (attribute.name == "max_failure_ratio" && node.text == "0");
  }

  json::value value(const Node& node, const Attribute* attribute) {
    switch (node.kind) {
      case Kind::null:
        return nullptr;
      case Kind::boolean:
        return node.text.front() == 't' || node.text.front() == 'T';
      case Kind::integer:
        return integer(node);
      case Kind::real:
        return real(node);
      case Kind::string:
        return string(node.text);
      case Kind::mapping:
        return mapping(node, attribute);
      case Kind::sequence:
        break;
    }
    json::array out;
    Attribute element{"", Form::object, Support::yes,
                      attribute == nullptr ? nullptr : attribute->object};
    for (const Node& item : node.items) {
      out.push_back(value(item, element.object == nullptr ? nullptr : &element));
    }
    return out;
  }

  static json::value integer(const Node& node) {
    if (auto number = parse_integer(node.text)) return *number;
    return real(node);
  }

  static json::value real(const Node& node) {
    auto number = parse_real(node.text);
    if (!number) return json::value(node.text);
    auto whole = static_cast<int64_t>(std::clamp(*number, -9e15, 9e15));
    if (static_cast<double>(whole) == *number) return whole;
    return *number;
  }

  [[nodiscard]] json::value string(const std::string& text) const {
    if (dollars_ == Dollars::keep) return json::value(text);
    std::string out;
    for (char c : text) {
      out += c;
      if (c == '$') out += c;
    }
    return json::value(out);
  }

  Dollars dollars_;
  ConfigFormat format_;
};

}  // namespace

json::value tree_to_json(const Model& model, Dollars dollars, ConfigFormat format) {
  return TreeWriter(dollars, format).file(model.root, model.name);
}

}  // namespace pcompose::compose
