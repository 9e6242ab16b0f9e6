// One description of a struct's fields for both directions: fields(archive, value) names them, a
// Writer or a Reader moves them. Fields at T{} are left out by field(), which suits members whose
// default is T{}; always() is for the others.
#pragma once

#include <chrono>
#include <concepts>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pcompose::compose {

// The words of an enum in its order; specialised where the enums are described.
template <class E>
struct EnumWords;

std::string position_text(const Position& position);
Position position_from_text(std::string_view text);

enum class Positions { keep, drop };

template <Positions positions>
class BasicWriter {
 public:
  template <class T>
  void field(std::string_view name, const T& value) {
    if (is_default(value)) return;
    if constexpr (std::same_as<T, Position> && positions == Positions::drop) return;
    json::value made = make(value);
    // A struct whose every field is at its default.
    if (made.is_object() && made.get_object().empty()) return;
    object_[name] = std::move(made);
  }
  template <class T>
  void always(std::string_view name, const T& value) {
    object_[name] = make(value);
  }
  json::object take() { return std::move(object_); }

  template <class T>
  static json::value make(const T& value) {
    if constexpr (std::is_enum_v<T>) {
      return json::value(EnumWords<T>::words.at(static_cast<size_t>(value)));
    } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
      return json::value(value);
    } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
      return json::value(value.count());
    } else if constexpr (std::same_as<T, Position>) {
      return json::value(position_text(value));
    } else {
      return compound(value);
    }
  }

 private:
  template <class T>
  static bool is_default(const T& value) {
    if constexpr (requires { value.empty(); })
      return value.empty();
    else if constexpr (requires { value.has_value(); })
      return !value.has_value();
    else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, Position> ||
                       std::same_as<T, std::chrono::milliseconds>)
      return value == T{};
    else
      return false;
  }

  template <class T>
  static json::value compound(const std::optional<T>& value) {
    return value ? make(*value) : json::value(nullptr);
  }
  template <class T>
  static json::value compound(const std::vector<T>& value) {
    json::array out;
    out.reserve(value.size());
    for (const T& item : value) out.push_back(make(item));
    return out;
  }
  template <class T>
  static json::value compound(const std::map<std::string, T>& value) {
    json::object out;
    out.reserve(value.size());
    for (const auto& [key, item] : value) out.emplace(key, make(item));
    return out;
  }
  template <class T>
  static json::value compound(const T& value) {
    BasicWriter writer;
    fields(writer, value);
    return writer.take();
  }

  json::object object_;
};
using Writer = BasicWriter<Positions::keep>;

class Reader {
 public:
  // Throws Error where the value is no object.
  explicit Reader(const json::value& value) : object_(expect_object(value)) {}

  template <class T>
  void field(std::string_view name, T& value) {
    const json::value* found = object_.if_contains(name);
    if (found == nullptr) return;
    try {
      get(*found, value);
    } catch (const boost::system::system_error& e) {
      throw Error("field '" + std::string(name) + "': " + e.code().message());
    } catch (Error& e) {
      e.add("field '" + std::string(name) + "'");
      throw;
    }
  }
  template <class T>
  void always(std::string_view name, T& value) {
    field(name, value);
  }

 private:
  static const json::object& expect_object(const json::value& value) {
    if (!value.is_object()) throw Error("not a JSON object");
    return value.get_object();
  }

  template <class T>
  static void get(const json::value& value, T& out) {
    if constexpr (std::is_enum_v<T>) {
      out = word<T>(json::value_to<std::string>(value));
    } else if constexpr (std::is_arithmetic_v<T> || std::same_as<T, std::string>) {
      out = json::value_to<T>(value);
    } else if constexpr (std::same_as<T, std::chrono::milliseconds>) {
      out = T(value.to_number<int64_t>());
    } else if constexpr (std::same_as<T, Position>) {
      out = position_from_text(json::value_to<std::string>(value));
    } else {
      compound(value, out);
    }
  }

  template <class E>
  static E word(const std::string& text) {
    for (size_t i = 0; i < EnumWords<E>::words.size(); ++i) {
      if (EnumWords<E>::words[i] == text) return static_cast<E>(i);
    }
    throw Error("unknown word \"" + text + "\"");
  }

  template <class T>
  static void compound(const json::value& value, std::optional<T>& out) {
    out.reset();
    if (!value.is_null()) get(value, out.emplace());
  }
  template <class T>
  static void compound(const json::value& value, std::vector<T>& out) {
    if (!value.is_array()) throw Error("not a JSON array");
    out.clear();
    for (const json::value& item : value.get_array()) get(item, out.emplace_back());
  }
  template <class T>
  static void compound(const json::value& value, std::map<std::string, T>& out) {
    out.clear();
    for (const auto& [key, item] : expect_object(value)) get(item, out[std::string(key)]);
  }
  template <class T>
  static void compound(const json::value& value, T& out) {
    Reader reader(value);
    fields(reader, out);
  }

  const json::object& object_;
};

}  // namespace pcompose::compose
