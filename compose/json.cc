#include "compose/json.h"

#include <charconv>

#include <fmt/format.h>

#include "compose/fields.h"
#include "compose/json_archive.h"

namespace pcompose::compose {

std::string position_text(const Position& position) {
  return fmt::format("{}:{}:{}", position.file, position.line, position.column);
}

Position position_from_text(std::string_view text) {
  Position out;
  for (int* number : {&out.column, &out.line}) {
    size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) throw Error("no position: \"" + std::string(text) + "\"");
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), *number);
    text = text.substr(0, colon);
  }
  out.file = std::string(text);
  return out;
}

json::value to_json(const Project& project) { return Writer::make(project); }
json::value to_json(const Service& service) { return Writer::make(service); }

Project project_from_json(const json::value& value) {
  Project out;
  Reader reader(value);
  fields(reader, out);
  return out;
}

Service service_from_json(const json::value& value) {
  Service out;
  Reader reader(value);
  fields(reader, out);
  return out;
}

}  // namespace pcompose::compose
