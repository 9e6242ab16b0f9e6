// Reads JSON strictly: a value of another type than the one asked for is an error that names its
// place ("process.user.uid: a whole number is wanted"). Fields nobody asks for are ignored, as the
// OCI runtime spec wants it (config, "Extensibility"); null is as good as absent.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pcompose::engine::runtime {

// A value and its place. Borrows the document. Everything throws Error with the place.
class JsonNode {
 public:
  JsonNode(const json::value& value, std::string place)
      : value_(&value), place_(std::move(place)) {}

  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] const json::value& value() const { return *value_; }
  [[nodiscard]] bool has(std::string_view field) const { return find(field) != nullptr; }
  // The member; nothing where it is absent or null.
  [[nodiscard]] std::optional<JsonNode> get(std::string_view field) const;
  [[nodiscard]] std::vector<JsonNode> items(std::string_view field) const;      // of an array
  [[nodiscard]] std::vector<std::pair<std::string, JsonNode>> members() const;  // of an object

  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool boolean() const;
  [[nodiscard]] int64_t integer(int64_t low, int64_t high) const;
  [[nodiscard]] uint64_t natural(uint64_t high = std::numeric_limits<uint64_t>::max()) const;

  // The member as such a value; `otherwise` where it is absent.
  [[nodiscard]] std::string text(std::string_view field, std::string otherwise = "") const;
  [[nodiscard]] std::string needed_text(std::string_view field) const;
  [[nodiscard]] bool boolean(std::string_view field, bool otherwise) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view field) const;
  template <class T>
  [[nodiscard]] std::optional<T> number(std::string_view field) const {
    const json::value* v = find(field);
    if (v == nullptr) return std::nullopt;
    JsonNode node(*v, place_of(field));
    if constexpr (std::is_signed_v<T>) {
      return static_cast<T>(
          node.integer(std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
    } else {
      return static_cast<T>(node.natural(std::numeric_limits<T>::max()));
    }
  }
  template <class T>
  [[nodiscard]] T needed_number(std::string_view field) const {
    auto value = number<T>(field);
    if (!value) fail_at(field, "is missing");
    return *value;
  }

  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void fail_at(std::string_view field, const std::string& what) const;

 private:
  [[nodiscard]] const json::value* find(std::string_view field) const;
  [[nodiscard]] std::string place_of(std::string_view field) const;

  const json::value* value_;
  std::string place_;
};

// Parses a document. Throws Error that begins with `name`.
json::value parse_document(std::string_view text, const std::string& name);

}  // namespace pcompose::engine::runtime
