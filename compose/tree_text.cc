// JSON values as text for people: indented JSON, and YAML.
#include <algorithm>

#include "compose/tree_json.h"
#include "compose/yaml_scalar.h"

namespace pcompose::compose {
namespace {

std::string number_text(const json::value& value) {
  if (value.is_double()) return real_text(value.get_double());
  return json::serialize(value);
}

void write_json(const json::value& value, const std::string& indent, std::string_view step,
                std::string& out) {
  std::string inner = indent + std::string(step);
  std::string_view separator = "\n";
  if (value.is_object() && !value.get_object().empty()) {
    out += '{';
    for (const auto& [key, child] : value.get_object()) {
      out.append(separator).append(inner).append(json::serialize(key)).append(": ");
      write_json(child, inner, step, out);
      separator = ",\n";
    }
    out.append("\n").append(indent).append("}");
  } else if (value.is_array() && !value.get_array().empty()) {
    out += '[';
    for (const json::value& child : value.get_array()) {
      out.append(separator).append(inner);
      write_json(child, inner, step, out);
      separator = ",\n";
    }
    out.append("\n").append(indent).append("]");
  } else {
    out += value.is_double() ? number_text(value) : json::serialize(value);
  }
}

// Text that YAML of any version reads back as the same string without quotes.
bool plain(std::string_view text) {
  constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@`=<~. ";
  constexpr std::string_view kWords[] = {"yes", "no",  "on", "off", "y",   "n",  "Yes", "No",
                                         "On",  "Off", "Y",  "N",   "YES", "NO", "ON",  "OFF"};
  if (text.empty() || kIndicators.find(text.front()) != std::string_view::npos ||
      text.back() == ' ' || text.back() == ':') {
    return false;
  }
  if (plain_kind(text) != Kind::string || std::ranges::find(kWords, text) != std::end(kWords))
    return false;
  if (text.front() >= '0' && text.front() <= '9' &&
      text.find_first_not_of("0123456789-:_. TZt") == std::string_view::npos) {
    return false;  // dates, and sexagesimal numbers of YAML 1.1
  }
  return text.find(": ") == std::string_view::npos && text.find(" #") == std::string_view::npos &&
         std::ranges::none_of(
             text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string yaml_string(std::string_view text) {
  return plain(text) ? std::string(text) : json::serialize(json::string(text));
}

void write_yaml(const json::value& value, const std::string& indent, std::string_view step,
                std::string& out);

void write_yaml_items(const json::array& items, const std::string& indent, std::string_view step,
                      std::string& out) {
  for (const json::value& child : items) {
    out.append(indent).append("- ");
    bool nested = (child.is_object() && !child.get_object().empty()) ||
                  (child.is_array() && !child.get_array().empty());
    if (!nested) {
      write_yaml(child, "", step, out);
      continue;
    }
    // The first line of the child stands behind the dash: its indentation is the dash's width.
    std::string body;
    write_yaml(child, indent + "  ", step, body);
    out += body.substr(indent.size() + 2);
  }
}

void write_yaml_entries(const json::object& entries, const std::string& indent,
                        std::string_view step, std::string& out) {
  for (const auto& [key, child] : entries) {
    out.append(indent).append(yaml_string(key)).append(":");
    bool nested = (child.is_object() && !child.get_object().empty()) ||
                  (child.is_array() && !child.get_array().empty());
    if (nested) {
      out += '\n';
      write_yaml(child, indent + std::string(step), step, out);
    } else {
      out += ' ';
      write_yaml(child, "", step, out);
    }
  }
}

void write_yaml(const json::value& value, const std::string& indent, std::string_view step,
                std::string& out) {
  if (value.is_object() && !value.get_object().empty()) {
    write_yaml_entries(value.get_object(), indent, step, out);
  } else if (value.is_array() && !value.get_array().empty()) {
    write_yaml_items(value.get_array(), indent, step, out);
  } else if (value.is_string()) {
    out.append(yaml_string(value.get_string())).append("\n");
  } else {
    out.append(value.is_double() ? number_text(value) : json::serialize(value)).append("\n");
  }
}

}  // namespace

std::string json_text(const json::value& value, std::string_view step) {
  std::string out;
  write_json(value, "", step, out);
  return out + "\n";
}

std::string yaml_text(const json::value& value, std::string_view step) {
  std::string out;
  write_yaml(value, "", step, out);
  return out;
}

}  // namespace pcompose::compose
