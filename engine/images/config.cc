#include "engine/images/config.h"

#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/reference.h"

namespace pcompose::engine {
namespace {

[[noreturn]] void refuse(std::string_view field, std::string_view wanted) {
  throw Error(fmt::format("image configuration: {} is not {}", field, wanted));
}

// The member where it is there and not null, which Go writes for "nothing".
const json::value* member(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::string text_at(const json::object& object, std::string_view field) {
  const json::value* value = member(object, field);
  if (value == nullptr) return "";
  if (!value->is_string()) refuse(field, "a string");
  return std::string(value->get_string());
}

std::vector<std::string> texts_at(const json::object& object, std::string_view field) {
  std::vector<std::string> out;
  const json::value* value = member(object, field);
  if (value == nullptr) return out;
  // Very old images hold a single string where there is a list now.
  if (value->is_string()) return {std::string(value->get_string())};
  if (!value->is_array()) refuse(field, "a list of strings");
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) refuse(field, "a list of strings");
    out.emplace_back(item.get_string());
  }
  return out;
}

// ExposedPorts and Volumes are sets: objects whose values are empty objects.
std::vector<std::string> keys_at(const json::object& object, std::string_view field) {
  std::vector<std::string> out;
  const json::value* value = member(object, field);
  if (value == nullptr) return out;
  if (!value->is_object()) refuse(field, "an object");
  for (const auto& pair : value->get_object()) out.emplace_back(pair.key());
  return out;
}

std::map<std::string, std::string> labels_at(const json::object& object) {
  std::map<std::string, std::string> out;
  const json::value* value = member(object, "Labels");
  if (value == nullptr) return out;
  if (!value->is_object()) refuse("Labels", "an object");
  for (const auto& pair : value->get_object()) {
    if (!pair.value().is_string()) refuse("Labels", "an object of strings");
    out.emplace(pair.key(), pair.value().get_string());
  }
  return out;
}

// 0 means "the default" in this format.
std::optional<int64_t> count_at(const json::object& object, std::string_view field, int64_t limit) {
  const json::value* value = member(object, field);
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  auto number = value->to_number<int64_t>(error);
  if (error || number < 0 || number > limit) refuse(field, "a number that makes sense");
  if (number == 0) return std::nullopt;
  return number;
}

std::optional<std::chrono::nanoseconds> duration_at(const json::object& object,
                                                    std::string_view field) {
  auto count = count_at(object, field, std::numeric_limits<int64_t>::max());
  if (!count) return std::nullopt;
  return std::chrono::nanoseconds(*count);
}

std::optional<ImageHealthCheck> healthcheck_at(const json::object& object) {
  const json::value* value = member(object, "Healthcheck");
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) refuse("Healthcheck", "an object");
  const json::object& check = value->get_object();
  ImageHealthCheck out;
  out.test = texts_at(check, "Test");
  if (out.test.empty()) return std::nullopt;  // "inherit", and there is nothing to inherit from
  out.interval = duration_at(check, "Interval");
  out.timeout = duration_at(check, "Timeout");
  out.start_period = duration_at(check, "StartPeriod");
  out.start_interval = duration_at(check, "StartInterval");
  if (auto retries = count_at(check, "Retries", std::numeric_limits<int>::max()))
    out.retries = static_cast<int>(*retries);
  return out;
}

std::vector<std::string> diff_ids_at(const json::object& document) {
  const json::value* rootfs = member(document, "rootfs");
  if (rootfs == nullptr || !rootfs->is_object()) refuse("rootfs", "there");
  std::vector<std::string> out = texts_at(rootfs->get_object(), "diff_ids");
  for (const std::string& id : out) {
    if (!is_sha256_digest(id)) refuse("rootfs.diff_ids", "a list of sha256 digests");
  }
  return out;
}

}  // namespace

json::value parse_json(std::string_view text, const std::string& what) {
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error);
  if (error) throw Error(fmt::format("{} is not JSON: {}", what, error.message()));
  return value;
}

ImageConfig parse_image_config(const json::value& config) {
  ImageConfig out;
  if (config.is_null()) return out;
  if (!config.is_object()) refuse("config", "an object");
  const json::object& object = config.get_object();
  out.env = texts_at(object, "Env");
  out.entrypoint = texts_at(object, "Entrypoint");
  out.cmd = texts_at(object, "Cmd");
  out.working_dir = text_at(object, "WorkingDir");
  out.user = text_at(object, "User");
  out.stop_signal = text_at(object, "StopSignal");
  out.exposed_ports = keys_at(object, "ExposedPorts");
  out.volumes = keys_at(object, "Volumes");
  out.labels = labels_at(object);
  out.healthcheck = healthcheck_at(object);
  return out;
}

ImageDocument parse_image_document(std::string_view blob) {
  json::value value = parse_json(blob, "the image configuration");
  if (!value.is_object()) refuse("the blob", "an object");
  const json::object& document = value.get_object();
  ImageDocument out;
  out.created = text_at(document, "created");
  out.architecture = text_at(document, "architecture");
  out.os = text_at(document, "os");
  out.diff_ids = diff_ids_at(document);
  const json::value* config = member(document, "config");
  if (config != nullptr) out.config = parse_image_config(*config);
  out.config_json = config == nullptr ? "{}" : json::serialize(*config);
  return out;
}

}  // namespace pcompose::engine
