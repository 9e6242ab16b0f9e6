// index.json -> (index ->) manifest -> configuration and layers: OCI image spec, image-layout.md.
#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/bounds.h"
#include "engine/images/config.h"
#include "engine/images/descriptor.h"
#include "engine/images/manifest.h"

namespace pcompose::engine {
namespace {

std::string blob_path(const std::string& digest) { return "blobs/sha256/" + digest.substr(7); }

class LayoutReader {
 public:
  LayoutReader(BlobSource& source, Platform platform)
      : source_(source), platform_(std::move(platform)) {}
  std::vector<SourceImage> read();

 private:
  std::string document(const Descriptor& d);
  void resolve(const Descriptor& d, std::vector<std::string> names, int depth);
  void add_manifest(const Descriptor& d, const std::string& text, const json::value& manifest,
                    const std::vector<std::string>& names);

  BlobSource& source_;
  Platform platform_;
  std::vector<SourceImage> images_;
};

std::string LayoutReader::document(const Descriptor& d) {
  std::string text = source_.read(blob_path(d.digest), kMaxDocument);
  if (static_cast<int64_t>(text.size()) != d.size) {
    throw Error(fmt::format("blob {}: expected {} bytes, found {}", d.digest, d.size, text.size()));
  }
  std::string found = "sha256:" + sha256_hex(text);
  if (found != d.digest) {
    throw Error(fmt::format("blob {0} is damaged: expected {0}, found {1}", d.digest, found));
  }
  return text;
}

// As LoadedImage::references: a whole reference, ":tag", or "" for "the source's own name".
std::string name_of(const Descriptor& d) {
  if (!d.image_name.empty()) return d.image_name;
  if (d.ref_name.empty() || d.ref_name.find_first_of("/:@") != std::string::npos) return d.ref_name;
  return ":" + d.ref_name;
}

void LayoutReader::resolve(const Descriptor& d, std::vector<std::string> names, int depth) {
  if (depth > kMaxNesting) throw Error("the indexes are nested too deep");
  std::string text = document(d);
  json::value value = parse_json(text, "blob " + d.digest);
  const json::object* object = value.if_object();
  if (object == nullptr) throw Error("blob " + d.digest + " is no manifest");
  // The descriptor's type may be missing in layouts made by hand; the document tells.
  if (!is_index(d.media_type, *object)) return add_manifest(d, text, value, names);
  // One index is one image for many platforms.
  auto chosen = choose_descriptors(read_descriptors(value, "manifests", "blob " + d.digest),
                                   platform_, "index " + d.digest);
  if (chosen.empty()) throw Error("index " + d.digest + " has no image");
  resolve(chosen.front(), std::move(names), depth + 1);
}

void LayoutReader::add_manifest(const Descriptor& d, const std::string& text,
                                const json::value& manifest,
                                const std::vector<std::string>& names) {
  std::string what = "manifest " + d.digest;
  const json::value* config = manifest.get_object().if_contains("config");
  if (config == nullptr) throw Error(what + " has no configuration");
  Descriptor configuration = read_descriptor(*config, what);
  for (SourceImage& known : images_) {
    if (known.config_digest != configuration.digest || known.manifest != d.digest) continue;
    known.references.insert(known.references.end(), names.begin(), names.end());
    return;  // one image under several names
  }
  SourceImage image;
  image.references = names;
  image.manifest = image.image_manifest = d.digest;
  image.image_manifest_text = text;
  image.config_digest = configuration.digest;
  image.config = document(configuration);
  for (const Descriptor& layer : read_layers(manifest, what))
    image.layers.push_back(
        {blob_path(layer.digest), layer.digest.substr(7), layer.size, "", "", layer.media_type});
  number_layers(image);
  images_.push_back(std::move(image));
}

std::vector<SourceImage> LayoutReader::read() {
  json::value index = parse_json(source_.read("index.json", kMaxDocument), "index.json");
  auto all = read_descriptors(index, "manifests", "index.json");
  for (const Descriptor& d : choose_descriptors(all, platform_, "index.json"))
    resolve(d, {name_of(d)}, 0);
  return std::move(images_);
}

}  // namespace

std::vector<SourceImage> read_oci_layout(BlobSource& source, const Platform& platform) {
  return LayoutReader(source, platform).read();
}

}  // namespace pcompose::engine
