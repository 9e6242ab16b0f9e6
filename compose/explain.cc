#include "compose/explain.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "compose/canonical.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

std::string_view step_text(Way way) {
  switch (way) {
    case Way::alias:
      return "through the alias at";
    case Way::merge_key:
      return "merged by << at";
    case Way::extends:
      return "through extends at";
    case Way::include:
      return "through include at";
    case Way::override_by:
      return "instead of what stands at";
    case Way::env_file:
      return "from the env file named at";
    case Way::written:
      break;
  }
  return "by";
}

std::string_view step_word(Way way) {
  constexpr std::string_view kWords[] = {"written", "alias",       "merge_key", "extends",
                                         "include", "override_by", "env_file"};
  return kWords[static_cast<size_t>(way)];
}

std::string variable_text(const Interpolated::Variable& variable) {
  std::string name = variable.name.empty() ? "the value" : "$" + variable.name;
  if (!variable.set) return name + " is not set";
  if (!variable.place.known()) return name + " is from the environment";
  return fmt::format("{} is from {}:{}", name, variable.place.file, variable.place.line);
}

// Quoted, so that blanks and line ends can be seen.
std::string shown(const Node& node) {
  if (node.is(Kind::null)) return "null";
  if (node.is(Kind::mapping)) return "{}";
  if (node.is(Kind::sequence)) return "[]";
  return node.is(Kind::string) ? json::serialize(json::value(node.text)) : node.text;
}

class Explanation {
 public:
  explicit Explanation(ConfigFormat format) : format_(format) {}

  // Leaves only: what is between is made of them.
  void visit(const Node& node, const std::string& path) {
    for (const Entry& entry : node.entries) visit(entry.value, below(path, entry.key));
    for (size_t i = 0; i < node.items.size(); ++i) visit(node.items[i], at_index(path, i));
    if (!node.entries.empty() || !node.items.empty()) return;
    if (format_ == ConfigFormat::json) {
      list_.push_back(record(node, path));
    } else {
      text(node, path);
    }
  }

  void print(std::ostream& out) {
    out << (format_ == ConfigFormat::json ? json_indented(list_) : text_);
  }

 private:
  void line(std::string text) { text_ += "    " + std::move(text) + "\n"; }

  void text(const Node& node, const std::string& path) {
    text_ += path + ": " + shown(node) + "\n";
    if (!node.origin || !node.position().known()) {
      line("a default: no file says so");
      return;
    }
    line(node.position().str());
    if (const auto& used = node.origin->variables) {
      if (!used->written.empty()) line("written " + json::serialize(json::value(used->written)));
      for (const auto& variable : used->variables) line(variable_text(variable));
    }
    for (const Origin* o = node.origin.get(); o->via != nullptr; o = o->via.get())
      line(fmt::format("{} {}", step_text(o->way), o->via->position().str()));
  }

  static json::object record(const Node& node, const std::string& path) {
    json::object out{{"path", path}, {"value", shown(node)}};
    if (node.is(Kind::string)) out["value"] = node.text;
    if (!node.origin || !node.position().known()) return out;
    out["place"] = node.position().str();
    if (const auto& used = node.origin->variables) {
      if (!used->written.empty()) out["written"] = used->written;
      json::array variables;
      for (const auto& v : used->variables) {
        std::string source = !v.set            ? "unset"
                             : v.place.known() ? fmt::format("{}:{}", v.place.file, v.place.line)
                                               : "environment";
        variables.push_back(json::object{{"name", v.name}, {"source", source}});
      }
      out["variables"] = std::move(variables);
    }
    json::array chain;
    for (const Origin* o = node.origin.get(); o->via != nullptr; o = o->via.get()) {
      chain.push_back(
          json::object{{"way", step_word(o->way)}, {"place", o->via->position().str()}});
    }
    if (!chain.empty()) out["chain"] = std::move(chain);
    return out;
  }

  static std::string json_indented(const json::array& list) {
    std::string out = "[";
    for (const json::value& item : list)
      out += (out.size() == 1 ? "\n  " : ",\n  ") + json::serialize(item);
    return out + (list.empty() ? "]\n" : "\n]\n");
  }

  ConfigFormat format_;
  std::string text_;
  json::array list_;
};

[[noreturn]] void nothing_there(const std::string& done, std::string_view rest, const Node& node) {
  std::vector<std::string> names;
  for (const Entry& entry : node.entries) names.push_back(entry.key);
  Error error(fmt::format("nothing at \"{}{}{}\"", done, done.empty() ? "" : ".", rest));
  if (!names.empty()) {
    error.hint(fmt::format("{}: {}", done.empty() ? "at the top are" : done + " has",
                           fmt::join(names, ", ")));
  } else if (!node.items.empty()) {
    error.hint(fmt::format("{} has [0] to [{}]", done, node.items.size() - 1));
  }
  throw error;
}

// Keys may hold dots themselves: the longest key that fits is taken.
const Node& find_path(const Node& root, std::string_view rest) {
  const Node* at = &root;
  std::string done;
  while (!rest.empty()) {
    if (rest.starts_with('[') && at->is(Kind::sequence)) {
      size_t end = std::min(rest.find(']'), rest.size());
      auto index = parse_integer(rest.substr(1, end - 1));
      if (!index || *index < 0 || static_cast<size_t>(*index) >= at->items.size())
        nothing_there(done, rest, *at);
      at = &at->items[static_cast<size_t>(*index)];
      done = at_index(done, static_cast<size_t>(*index));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    } else {
      const Entry* best = nullptr;
      for (const Entry& entry : at->entries) {
        bool fits = rest.starts_with(entry.key) &&
                    (rest.size() == entry.key.size() || rest[entry.key.size()] == '.' ||
                     rest[entry.key.size()] == '[');
        if (fits && (best == nullptr || entry.key.size() > best->key.size())) best = &entry;
      }
      if (best == nullptr) nothing_there(done, rest, *at);
      at = &best->value;
      done = below(done, best->key);
      rest.remove_prefix(best->key.size());
    }
    if (rest.starts_with('.')) rest.remove_prefix(1);
  }
  return *at;
}

}  // namespace

void explain(const Model& model, const std::string& path, ConfigFormat format, std::ostream& out) {
  if (path == "name") {
    out << "name: " << json::serialize(json::value(model.name)) << "\n    " << model.name_from
        << "\n";
    return;
  }
  Explanation explanation(format);
  explanation.visit(find_path(model.root, path), path);
  explanation.print(out);
}

}  // namespace pcompose::compose
