// What a source holds: the documents of the OCI image layout and of docker's archives.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/images/blob_source.h"
#include "engine/images/platform.h"
#include "engine/images/report.h"

namespace pcompose::engine {

struct SourceLayer {
  std::string path;      // in the source
  std::string digest;    // of the blob, 64 hexadecimal digits; "" where the format does not say
  int64_t size = -1;     // of the blob
  std::string diff_id;   // 64 hexadecimal digits
  std::string chain_id;  // the same
  std::string media_type = {};
};

struct SourceImage {
  std::vector<std::string> references;  // see LoadedImage
  std::string manifest;                 // "sha256:…" or ""
  std::string image_manifest;           // of the image itself, where that one is an index's
  std::string image_manifest_text;
  std::string config_digest;  // "sha256:…"
  std::string config;
  std::vector<SourceLayer> layers;  // bottom first
  // Layers that only their publisher may give away (image spec, layer.md, "Non-Distributable
  // Layers"): registries do not have them.
  std::vector<SourceLayer> skipped = {};
};

// The images of an OCI image layout (image-layout.md) for this platform, or of a docker archive
// (manifest.json). Every document is verified against its digest. Throws Error.
std::vector<SourceImage> read_source(BlobSource& source, const Platform& platform);

// What the store's rows are made of; `sizes` of the unpacked layers, in their order.
LoadedImage loaded_image(const SourceImage& image, const std::vector<int64_t>& sizes);

// The formats. For read_source() and tests.
std::vector<SourceImage> read_oci_layout(BlobSource& source, const Platform& platform);
std::vector<SourceImage> read_docker_archive(BlobSource& source);

// Fills in diff ids and chain ids from the configuration, and moves what is to be skipped. Throws
// Error where the numbers of layers differ, or where there are more than overlayfs can stack.
void number_layers(SourceImage& image);

}  // namespace pcompose::engine
