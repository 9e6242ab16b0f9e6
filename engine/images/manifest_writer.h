// Manifests of images that leave the store: OCI image spec, manifest.md; docker's schema 2.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/images/report.h"

namespace pcompose::engine {

enum class Dialect { oci, docker };
enum class Packing { plain, gzip, zstd };

struct ManifestText {
  std::string media_type;
  std::string text;
};

std::string layer_type(Dialect dialect, Packing packing);
std::string config_type(Dialect dialect);
std::string manifest_type(Dialect dialect);
Packing packing_of(const std::string& media_type);

// `config` and `layers` need digest and size; the types of layers are said in this dialect.
ManifestText write_manifest(Dialect dialect, const LayerBlob& config,
                            const std::vector<LayerBlob>& layers);

// A manifest as it came. Throws Error where it is none.
struct KnownManifest {
  ManifestText manifest;
  std::string config_digest;
  std::vector<LayerBlob> layers;  // bottom first

  static KnownManifest read(const std::string& text);
  [[nodiscard]] Dialect dialect() const;
  // Whether it is about just these.
  [[nodiscard]] bool is_about(const std::string& config, const std::vector<LayerBlob>& blobs) const;
};

}  // namespace pcompose::engine
