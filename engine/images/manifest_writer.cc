#include "engine/images/manifest_writer.h"

#include <algorithm>

#include "base/error.h"
#include "base/json.h"
#include "engine/images/config.h"
#include "engine/images/descriptor.h"

namespace pcompose::engine {
namespace {

constexpr const char* kWhat = "a manifest of the store";

json::object descriptor(const std::string& type, const LayerBlob& blob) {
  return {{"mediaType", type}, {"digest", blob.digest}, {"size", blob.size}};
}

}  // namespace

std::string layer_type(Dialect dialect, Packing packing) {
  bool oci = dialect == Dialect::oci;
  std::string type = oci ? "application/vnd.oci.image.layer.v1.tar"
                         : "application/vnd.docker.image.rootfs.diff.tar";
  if (packing == Packing::plain) return type;
  return type + (oci ? "+" : ".") + (packing == Packing::gzip ? "gzip" : "zstd");
}

std::string config_type(Dialect dialect) {
  return dialect == Dialect::oci ? "application/vnd.oci.image.config.v1+json"
                                 : "application/vnd.docker.container.image.v1+json";
}

std::string manifest_type(Dialect dialect) {
  return dialect == Dialect::oci ? "application/vnd.oci.image.manifest.v1+json"
                                 : "application/vnd.docker.distribution.manifest.v2+json";
}

Packing packing_of(const std::string& media_type) {
  if (media_type.ends_with("gzip")) return Packing::gzip;
  return media_type.ends_with("zstd") ? Packing::zstd : Packing::plain;
}

ManifestText write_manifest(Dialect dialect, const LayerBlob& config,
                            const std::vector<LayerBlob>& layers) {
  json::array list;
  for (const LayerBlob& layer : layers)
    list.push_back(descriptor(layer_type(dialect, packing_of(layer.media_type)), layer));
  json::object manifest{{"schemaVersion", 2},
                        {"mediaType", manifest_type(dialect)},
                        {"config", descriptor(config_type(dialect), config)},
                        {"layers", std::move(list)}};
  return {manifest_type(dialect), json::serialize(manifest)};
}

KnownManifest KnownManifest::read(const std::string& text) {
  json::value document = parse_json(text, kWhat);
  const json::object* object = document.if_object();
  const json::value* config = object == nullptr ? nullptr : object->if_contains("config");
  if (config == nullptr) throw Error(std::string(kWhat) + " has no configuration");
  KnownManifest out;
  const json::value* type = object->if_contains("mediaType");
  // It may be left out: image spec, manifest.md.
  out.manifest.media_type = type != nullptr && type->is_string() ? std::string(type->get_string())
                                                                 : manifest_type(Dialect::oci);
  out.manifest.text = text;
  out.config_digest = read_descriptor(*config, kWhat).digest;
  for (const Descriptor& layer : read_layers(document, kWhat))
    out.layers.push_back({layer.digest, layer.size, layer.media_type});
  return out;
}

Dialect KnownManifest::dialect() const {
  return manifest.media_type == manifest_type(Dialect::docker) ? Dialect::docker : Dialect::oci;
}

bool KnownManifest::is_about(const std::string& config, const std::vector<LayerBlob>& blobs) const {
  return config_digest == config &&
         std::ranges::equal(layers, blobs, {}, &LayerBlob::digest, &LayerBlob::digest);
}

}  // namespace pcompose::engine
