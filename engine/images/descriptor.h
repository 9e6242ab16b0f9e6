// The JSON that indexes and manifests are made of: OCI image spec, descriptor.md, image-index.md,
// manifest.md; docker's schema 2 has the same members.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/images/platform.h"

namespace pcompose::engine {

struct Descriptor {
  std::string media_type;
  std::string digest;  // "sha256:…"
  int64_t size = 0;
  std::optional<Platform> platform;
  std::string image_name;  // containerd's annotation: the whole reference
  std::string ref_name;    // the layout's: often a tag only
  bool attestation = false;
};

// Each throws Error, which begins with `what`.
Descriptor read_descriptor(const json::value& value, const std::string& what);
std::vector<Descriptor> read_descriptors(const json::value& document, std::string_view key,
                                         const std::string& what);
// The layers of a manifest, bottom first: an error where they are none of a container image.
std::vector<Descriptor> read_layers(const json::value& manifest, const std::string& what);

// Those that run on `platform`, the best first; what names no platform comes last. Empty where
// `all` has no image. Throws Error where there are images, but none for us.
std::vector<Descriptor> choose_descriptors(const std::vector<Descriptor>& all,
                                           const Platform& platform, const std::string& what);

// Whether it lists manifests. The type may be missing in documents made by hand, then the members
// tell.
bool is_index(const std::string& media_type, const json::object& document);

}  // namespace pcompose::engine
