// What is in the body of a control request (docs/protocol.md). What is absent is false or empty.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace pcompose::scheduler {

inline std::vector<std::string> strings(const json::object& request, const char* key) {
  std::vector<std::string> out;
  if (const auto* list = request.if_contains(key)) {
    for (const auto& v : list->as_array()) out.emplace_back(v.as_string());
  }
  return out;
}

inline std::string text(const json::object& request, const char* key) {
  const auto* value = request.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

inline bool flag(const json::object& request, const char* key) {
  const auto* value = request.if_contains(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

inline int64_t number(const json::object& request, const char* key) {
  const auto* value = request.if_contains(key);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

inline std::optional<Duration> seconds(const json::object& request, const char* key) {
  const auto* value = request.if_contains(key);
  if (value == nullptr || !value->is_int64()) return std::nullopt;
  return std::chrono::seconds(value->as_int64());
}

}  // namespace pcompose::scheduler
