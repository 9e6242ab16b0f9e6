#include "cli/image_inspect.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "cli/table.h"
#include "scheduler/images.h"

namespace pcompose::cli {
namespace {

json::array strings(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& v : values) out.emplace_back(v);
  return out;
}

json::object config_of(const scheduler::ImageDetails& details) {
  if (details.config.empty()) return {};
  json::value value = json::parse(details.config);
  return value.is_object() ? value.get_object() : json::object();
}

json::value member(const json::object& object, std::string_view key, json::value otherwise) {
  const json::value* found = object.if_contains(key);
  return found == nullptr ? std::move(otherwise) : *found;
}

json::object description(const scheduler::ImageDetails& details) {
  json::object blob = config_of(details);
  json::object root = {{"Type", "layers"}};
  if (const json::value* rootfs = blob.if_contains("rootfs");
      rootfs != nullptr && rootfs->is_object())
    root["Layers"] = member(rootfs->get_object(), "diff_ids", json::array());
  return {{"Id", "sha256:" + details.image.id},
          {"RepoTags", strings(details.names)},
          {"RepoDigests", strings(details.digests)},
          {"Created", details.image.created},
          {"Author", member(blob, "author", "")},
          {"Config", member(blob, "config", json::object())},
          {"Architecture", details.image.architecture},
          {"Variant", member(blob, "variant", "")},
          {"Os", member(blob, "os", "linux")},
          {"Size", details.image.size},
          {"RootFS", std::move(root)}};
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

// A command may hold anything; a terminal gets one line of it.
std::string one_line(std::string command, bool no_trunc) {
  for (char& c : command) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  if (!no_trunc && command.size() > 45) command = command.substr(0, 44) + "…";
  return command;
}

}  // namespace

int inspect_images(const std::vector<std::string>& references) {
  Roots roots = Roots::from_environment();
  json::array out;
  int code = 0;
  for (const std::string& reference : references) {
    try {
      out.push_back(description(scheduler::inspect_image(roots, reference)));
    } catch (const Error& e) {
      fmt::print(stderr, "{}\n", e.what());
      code = 1;
    }
  }
  fmt::print("{}\n", json::serialize(out));
  return code;
}

int show_history(const std::string& reference, bool no_trunc, bool quiet) {
  auto details = scheduler::inspect_image(Roots::from_environment(), reference);
  json::object blob = config_of(details);
  json::value history = member(blob, "history", json::array());
  std::string id = no_trunc ? "sha256:" + details.image.id : details.image.id.substr(0, 12);
  std::vector<std::vector<std::string>> rows = {{"IMAGE", "CREATED", "CREATED BY", "COMMENT"}};
  if (history.is_array()) {
    const json::array& steps = history.get_array();
    for (size_t i = steps.size(); i-- > 0;) {  // the newest first
      if (!steps[i].is_object()) continue;
      const json::object& step = steps[i].get_object();
      rows.push_back({rows.size() == 1 ? id : "<missing>",
                      one_line(text(step, "created"), no_trunc),
                      one_line(text(step, "created_by"), no_trunc),
                      one_line(text(step, "comment"), no_trunc)});
    }
  }
  if (rows.size() == 1) rows.push_back({id, details.image.created, "", ""});
  if (quiet) {
    for (size_t i = 1; i < rows.size(); ++i) fmt::print("{}\n", rows[i].front());
  } else {
    fmt::print("{}", format_table(rows));
  }
  return 0;
}

}  // namespace pcompose::cli
