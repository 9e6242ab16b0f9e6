#include "engine/images/manifest.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/bounds.h"
#include "engine/images/config.h"
#include "engine/images/descriptor.h"
#include "engine/images/reference.h"
#include "engine/images/report.h"

namespace pcompose::engine {
namespace {

// As docker: so many short names are what fits into the page of mount(2)'s options.
constexpr size_t kMaxLayers = 127;

std::string string_at(const json::object& object, std::string_view key, const std::string& what) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string())
    throw Error(fmt::format("{}: \"{}\" is not a string", what, key));
  return std::string(value->get_string());
}

// [{"Config": "<digest>.json", "RepoTags": ["web:1"], "Layers": ["<id>/layer.tar", …]}, …]
SourceImage read_docker_image(BlobSource& source, const json::value& value) {
  if (!value.is_object()) throw Error("manifest.json: an image is not an object");
  const json::object& object = value.get_object();
  SourceImage image;
  std::string path = string_at(object, "Config", "manifest.json");
  image.config = source.read(path, kMaxDocument);
  image.config_digest = "sha256:" + sha256_hex(image.config);
  std::string stem = path.substr(path.rfind('/') + 1);
  if (stem.ends_with(".json")) stem.resize(stem.size() - 5);
  if (is_hex(stem, 64) && "sha256:" + stem != image.config_digest) {
    throw Error(fmt::format("{} is damaged: expected sha256:{}, found {}", path, stem,
                            image.config_digest));
  }
  const json::value* tags = object.if_contains("RepoTags");
  if (tags != nullptr && tags->is_array()) {
    for (const json::value& tag : tags->get_array()) {
      if (tag.is_string()) image.references.emplace_back(tag.get_string());
    }
  }
  const json::value* layers = object.if_contains("Layers");
  if (layers != nullptr && layers->is_array()) {
    for (const json::value& layer : layers->get_array()) {
      if (!layer.is_string()) throw Error("manifest.json: a layer is not a string");
      image.layers.push_back({std::string(layer.get_string()), "", -1, "", ""});
    }
  }
  number_layers(image);
  return image;
}

}  // namespace

namespace {

bool is_nondistributable(const SourceLayer& layer) {
  return layer.media_type.starts_with("application/vnd.oci.image.layer.nondistributable.") ||
         layer.media_type.starts_with("application/vnd.docker.image.rootfs.foreign.");
}

}  // namespace

void number_layers(SourceImage& image) {
  ImageDocument document = parse_image_document(image.config);
  if (document.diff_ids.size() != image.layers.size()) {
    throw Error(fmt::format("the image {} has {} layers, its configuration knows {}",
                            image.config_digest, image.layers.size(), document.diff_ids.size()));
  }
  if (image.layers.empty())
    throw Error(fmt::format("the image {} has no layers", image.config_digest));
  if (image.layers.size() > kMaxLayers) {
    throw Error(fmt::format("the image {} has {} layers; {} can be stacked", image.config_digest,
                            image.layers.size(), kMaxLayers));
  }
  std::string parent;
  std::vector<SourceLayer> kept;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    SourceLayer& layer = image.layers[i];
    layer.diff_id = document.diff_ids[i].substr(7);
    if (is_nondistributable(layer)) {
      image.skipped.push_back(std::move(layer));
      continue;
    }
    layer.chain_id = parent = chain_id(parent, layer.diff_id);
    kept.push_back(std::move(layer));
  }
  if (kept.empty())
    throw Error(fmt::format("the image {} has only layers that may not be distributed",
                            image.config_digest));
  image.layers = std::move(kept);
}

LoadedImage loaded_image(const SourceImage& image, const std::vector<int64_t>& sizes) {
  LoadedImage out{image.references,
                  image.manifest,
                  image.image_manifest,
                  image.config_digest,
                  image.config,
                  {},
                  {}};
  for (const SourceLayer& layer : image.skipped) out.skipped.push_back(layer.digest);
  for (size_t i = 0; i < image.layers.size(); ++i) {
    const SourceLayer& layer = image.layers[i];
    LayerBlob blob;
    if (!layer.media_type.empty()) blob = {"sha256:" + layer.digest, layer.size, layer.media_type};
    out.layers.push_back({layer.chain_id, layer.diff_id, sizes.at(i), std::move(blob)});
  }
  return out;
}

namespace {

// containers-transports(5), "dir": a manifest, and blobs named by their digests.
SourceImage read_docker_directory(BlobSource& source, const json::value& manifest) {
  const std::string what = "manifest.json";
  const json::value* config = manifest.get_object().if_contains("config");
  if (config == nullptr) throw Error(what + " has no configuration");
  Descriptor descriptor = read_descriptor(*config, what);
  SourceImage image;
  image.config_digest = descriptor.digest;
  image.config = source.read(descriptor.digest.substr(7), kMaxDocument);
  if (std::string found = "sha256:" + sha256_hex(image.config); found != image.config_digest) {
    throw Error(fmt::format("{} is damaged: expected {}, found {}", descriptor.digest.substr(7),
                            image.config_digest, found));
  }
  for (const Descriptor& layer : read_layers(manifest, what)) {
    std::string hex = layer.digest.substr(7);
    image.layers.push_back({hex, hex, layer.size, "", "", layer.media_type});
  }
  image.references = {""};
  number_layers(image);
  return image;
}

}  // namespace

std::vector<SourceImage> read_docker_archive(BlobSource& source) {
  std::string text = source.read("manifest.json", kMaxDocument);
  json::value manifest = parse_json(text, "manifest.json");
  if (manifest.is_object()) {
    SourceImage image = read_docker_directory(source, manifest);
    image.manifest = image.image_manifest = "sha256:" + sha256_hex(text);
    image.image_manifest_text = text;
    return {std::move(image)};
  }
  if (!manifest.is_array()) throw Error("manifest.json is not a list of images");
  std::vector<SourceImage> images;
  for (const json::value& value : manifest.get_array())
    images.push_back(read_docker_image(source, value));
  return images;
}

std::vector<SourceImage> read_source(BlobSource& source, const Platform& platform) {
  std::vector<SourceImage> images;
  // Newer docker writes both; the layout has a digest for everything.
  if (source.has("index.json")) {
    images = read_oci_layout(source, platform);
  } else if (source.has("manifest.json")) {
    images = read_docker_archive(source);
  } else {
    throw Error(
        "it holds no image: neither index.json (OCI layout) nor manifest.json (docker save)");
  }
  if (images.empty()) throw Error("it holds no image");
  return images;
}

}  // namespace pcompose::engine
