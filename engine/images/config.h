// The configuration blob of an image: OCI image spec, config.md, and what docker adds to it
// (Healthcheck).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/images.h"

namespace pcompose::engine {

struct ImageDocument {
  ImageConfig config;
  std::string config_json;  // the member "config", as JSON: what the store keeps
  std::string created;
  std::string architecture;
  std::string os;
  std::vector<std::string> diff_ids;  // "sha256:…", bottom first
};

// The member "config" of the blob. Throws Error naming the field that is not what it should be.
ImageConfig parse_image_config(const json::value& config);
// The whole blob. Throws Error.
ImageDocument parse_image_document(std::string_view blob);

// JSON from outside: parsed within our limits of depth. Throws Error naming `what`.
json::value parse_json(std::string_view text, const std::string& what);

}  // namespace pcompose::engine
