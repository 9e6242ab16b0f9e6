#include "engine/images/save.h"

#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"
#include "engine/images/layer_tar.h"
#include "engine/images/manifest_writer.h"

namespace pcompose::engine {

namespace {

class Saver {
 public:
  Saver(BlobSink& sink, const LayerStore& layers, const DocumentStore& documents)
      : sink_(sink), layers_(layers), documents_(documents) {}

  void docker_archive(const std::vector<StoredImage>& images);
  void oci_layout(const std::vector<StoredImage>& images);
  void docker_directory(const StoredImage& image);

 private:
  std::string config(const StoredImage& image) const;
  void put_layer(const std::string& path, const StoredLayer& layer, LayerBlob& blob);
  void put_once(const std::string& path, const std::string& text);
  json::object oci_image(const StoredImage& image);

  BlobSink& sink_;
  const LayerStore& layers_;
  const DocumentStore& documents_;
  std::set<std::string> written_;
};

std::string Saver::config(const StoredImage& image) const {
  if (auto text = documents_.find(image.config_digest.substr(7))) return *text;
  throw Error("the store lacks the configuration " + image.config_digest)
      .hint("pull or load the image again");
}

// Plain, so that its digest is the diff id and its size known before it is made.
void Saver::put_layer(const std::string& path, const StoredLayer& layer, LayerBlob& blob) {
  Fd directory = layers_.open(layer.chain_id);
  uint64_t size = layer_tar_size(directory);
  blob = {"sha256:" + layer.diff_id, static_cast<int64_t>(size),
          layer_type(Dialect::oci, Packing::plain)};
  if (!written_.insert(path).second) return;
  LayerTar tar(directory, layer.diff_id);
  sink_.put(path, size, tar);
}

void Saver::put_once(const std::string& path, const std::string& text) {
  if (written_.insert(path).second) sink_.put(path, text);
}

// What `docker save` wrote before it knew layouts, and everybody reads.
void Saver::docker_archive(const std::vector<StoredImage>& images) {
  json::array manifest;
  for (const StoredImage& image : images) {
    json::array layers, tags;
    for (const StoredLayer& layer : image.layers) {
      LayerBlob blob;
      std::string path = layer.diff_id + ".tar";
      put_layer(path, layer, blob);
      layers.emplace_back(path);
    }
    std::string path = image.config_digest.substr(7) + ".json";
    put_once(path, config(image));
    // Whole names: podman takes a short one for one of localhost.
    for (const std::string& name : image.references) tags.emplace_back(name);
    manifest.push_back(json::object{
        {"Config", path}, {"RepoTags", std::move(tags)}, {"Layers", std::move(layers)}});
  }
  sink_.put("manifest.json", json::serialize(manifest));
}

json::object Saver::oci_image(const StoredImage& image) {
  std::vector<LayerBlob> layers(image.layers.size());
  for (size_t i = 0; i < layers.size(); ++i)
    put_layer("blobs/sha256/" + image.layers[i].diff_id, image.layers[i], layers[i]);
  std::string text = config(image);
  put_once("blobs/sha256/" + image.config_digest.substr(7), text);
  ManifestText manifest = write_manifest(
      Dialect::oci, {image.config_digest, static_cast<int64_t>(text.size()), ""}, layers);
  std::string digest = sha256_hex(manifest.text);
  put_once("blobs/sha256/" + digest, manifest.text);
  return {{"mediaType", manifest.media_type},
          {"digest", "sha256:" + digest},
          {"size", manifest.text.size()}};
}

// OCI image spec, image-layout.md.
void Saver::oci_layout(const std::vector<StoredImage>& images) {
  json::array manifests;
  for (const StoredImage& image : images) {
    json::object descriptor = oci_image(image);
    if (image.references.empty()) manifests.push_back(descriptor);
    for (const std::string& name : image.references) {
      // containerd and docker look at one of them, podman and skopeo at the other.
      descriptor["annotations"] = json::object{{"io.containerd.image.name", name},
                                               {"org.opencontainers.image.ref.name", name}};
      manifests.push_back(descriptor);
    }
  }
  json::object index{{"schemaVersion", 2},
                     {"mediaType", "application/vnd.oci.image.index.v1+json"},
                     {"manifests", std::move(manifests)}};
  sink_.put("index.json", json::serialize(index));
  sink_.put("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

// containers-transports(5), "dir": one image, of docker's schema 2.
void Saver::docker_directory(const StoredImage& image) {
  std::vector<LayerBlob> layers(image.layers.size());
  for (size_t i = 0; i < layers.size(); ++i)
    put_layer(image.layers[i].diff_id, image.layers[i], layers[i]);
  std::string text = config(image);
  put_once(image.config_digest.substr(7), text);
  ManifestText manifest = write_manifest(
      Dialect::docker, {image.config_digest, static_cast<int64_t>(text.size()), ""}, layers);
  sink_.put("manifest.json", manifest.text);
  sink_.put("version", "Directory Transport Version: 1.1\n");
}

}  // namespace

void save_images(const SaveRequest& request, BlobSink& sink, const LayerStore& layers,
                 const DocumentStore& documents) {
  Saver saver(sink, layers, documents);
  switch (request.format) {
    case ArchiveFormat::docker_archive:
      saver.docker_archive(request.images);
      break;
    case ArchiveFormat::oci_archive:
    case ArchiveFormat::oci_directory:
      saver.oci_layout(request.images);
      break;
    case ArchiveFormat::docker_directory:
      if (request.images.size() != 1)
        throw Error("a docker-dir holds one image").hint("use docker-archive or oci-archive");
      saver.docker_directory(request.images.front());
      break;
  }
  sink.finish();
}

}  // namespace pcompose::engine
