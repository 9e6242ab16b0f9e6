#include "engine/runtime/json_reader.h"

#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::engine::runtime {

json::value parse_document(std::string_view text, const std::string& name) {
  boost::system::error_code error;
  json::parse_options options;
  options.max_depth = 64;
  json::value value = json::parse(text, error, {}, options);
  if (error) throw Error(fmt::format("{}: not JSON: {}", name, error.message()));
  return value;
}

void JsonNode::fail(const std::string& what) const {
  throw Error(fmt::format("{}: {}", place_.empty() ? "the document" : place_, what));
}

void JsonNode::fail_at(std::string_view field, const std::string& what) const {
  throw Error(fmt::format("{}: {}", place_of(field), what));
}

std::string JsonNode::place_of(std::string_view field) const {
  return place_.empty() ? std::string(field) : fmt::format("{}.{}", place_, field);
}

const json::value* JsonNode::find(std::string_view field) const {
  const json::object* object = value_->if_object();
  if (object == nullptr) fail("an object is wanted");
  const json::value* value = object->if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<JsonNode> JsonNode::get(std::string_view field) const {
  const json::value* value = find(field);
  if (value == nullptr) return std::nullopt;
  return JsonNode(*value, place_of(field));
}

std::vector<JsonNode> JsonNode::items(std::string_view field) const {
  std::vector<JsonNode> out;
  const json::value* value = find(field);
  if (value == nullptr) return out;
  const json::array* array = value->if_array();
  if (array == nullptr) fail_at(field, "an array is wanted");
  out.reserve(array->size());
  for (size_t i = 0; i < array->size(); ++i)
    out.emplace_back((*array)[i], fmt::format("{}[{}]", place_of(field), i));
  return out;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  const json::object* object = value_->if_object();
  if (object == nullptr) fail("an object is wanted");
  std::vector<std::pair<std::string, JsonNode>> out;
  for (const auto& member : *object) {
    if (member.value().is_null()) continue;
    out.emplace_back(std::string(member.key()), JsonNode(member.value(), place_of(member.key())));
  }
  return out;
}

std::string JsonNode::text() const {
  const json::string* s = value_->if_string();
  if (s == nullptr) fail("a string is wanted");
  // Paths, names and arguments go to the kernel, for which they end here.
  if (s->find('\0') != json::string::npos) fail("holds a zero byte");
  return {s->data(), s->size()};
}

bool JsonNode::boolean() const {
  const bool* b = value_->if_bool();
  if (b == nullptr) fail("true or false is wanted");
  return *b;
}

int64_t JsonNode::integer(int64_t low, int64_t high) const {
  if (value_->is_uint64()) fail("is too large");
  const int64_t* n = value_->if_int64();
  if (n == nullptr) fail("a whole number is wanted");
  if (*n < low || *n > high) fail(fmt::format("lies outside {} to {}", low, high));
  return *n;
}

uint64_t JsonNode::natural(uint64_t high) const {
  uint64_t n = 0;
  if (const int64_t* i = value_->if_int64(); i != nullptr) {
    if (*i < 0) fail("may not be negative");
    n = static_cast<uint64_t>(*i);
  } else if (const uint64_t* u = value_->if_uint64(); u != nullptr) {
    n = *u;
  } else {
    fail("a whole number is wanted");
  }
  if (n > high) fail(fmt::format("lies outside 0 to {}", high));
  return n;
}

std::string JsonNode::text(std::string_view field, std::string otherwise) const {
  const json::value* v = find(field);
  return v == nullptr ? std::move(otherwise) : JsonNode(*v, place_of(field)).text();
}

std::string JsonNode::needed_text(std::string_view field) const {
  std::string value = text(field);
  if (value.empty()) fail_at(field, "is missing");
  return value;
}

bool JsonNode::boolean(std::string_view field, bool otherwise) const {
  const json::value* v = find(field);
  return v == nullptr ? otherwise : JsonNode(*v, place_of(field)).boolean();
}

std::vector<std::string> JsonNode::texts(std::string_view field) const {
  std::vector<std::string> out;
  const json::value* value = find(field);
  if (value == nullptr) return out;
  const json::array* array = value->if_array();
  if (array == nullptr) fail_at(field, "an array of strings is wanted");
  for (const json::value& item : *array) {
    const json::string* s = item.if_string();
    if (s == nullptr || s->find('\0') != json::string::npos)
      fail_at(fmt::format("{}[{}]", field, out.size()), "a string without a zero byte is wanted");
    out.emplace_back(s->data(), s->size());
  }
  return out;
}

}  // namespace pcompose::engine::runtime
