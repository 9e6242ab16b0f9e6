// index.json -> (index ->) manifest -> configuration and layers: OCI image spec, image-layout.md.
#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/config.h"
#include "engine/images/manifest.h"
#include "engine/images/reference.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxDocument = 4U << 20U;
constexpr int kMaxNesting = 4;
constexpr size_t kMaxImages = 1000;

// OCI image spec, descriptor.md.
struct Descriptor {
  std::string media_type;
  std::string digest;
  int64_t size = 0;
  std::optional<Platform> platform;
  std::string image_name;  // containerd's annotation: the whole reference
  std::string ref_name;    // the layout's: often a tag only
  bool attestation = false;
};

std::string optional_text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

void read_annotations(const json::value& value, Descriptor& out) {
  if (!value.is_object()) return;
  const json::object& annotations = value.get_object();
  out.image_name = optional_text(annotations, "io.containerd.image.name");
  out.ref_name = optional_text(annotations, "org.opencontainers.image.ref.name");
  out.attestation = annotations.contains("vnd.docker.reference.type");
}

Descriptor read_descriptor(const json::value& value, const std::string& what) {
  if (!value.is_object()) throw Error(what + ": a descriptor is not an object");
  const json::object& object = value.get_object();
  Descriptor out;
  out.media_type = optional_text(object, "mediaType");
  out.digest = optional_text(object, "digest");
  if (!is_sha256_digest(out.digest)) {
    throw Error(fmt::format("{}: \"{:.100}\" is no sha256 digest", what, out.digest));
  }
  const json::value* size = object.if_contains("size");
  if (size == nullptr || !size->is_int64() || size->get_int64() < 0)
    throw Error(fmt::format("{}: the size of {} is missing", what, out.digest));
  out.size = size->get_int64();
  if (const json::value* platform = object.if_contains("platform");
      platform != nullptr && platform->is_object()) {
    out.platform = Platform{optional_text(platform->get_object(), "os"),
                            optional_text(platform->get_object(), "architecture")};
  }
  if (const json::value* annotations = object.if_contains("annotations"))
    read_annotations(*annotations, out);
  return out;
}

std::vector<Descriptor> read_list(const json::value& document, std::string_view key,
                                  const std::string& what) {
  const json::value* list = document.is_object() ? document.get_object().if_contains(key) : nullptr;
  if (list == nullptr || !list->is_array())
    throw Error(fmt::format("{}: \"{}\" is not a list", what, key));
  std::vector<Descriptor> out;
  for (const json::value& value : list->get_array()) out.push_back(read_descriptor(value, what));
  if (out.size() > kMaxImages) throw Error(fmt::format("{}: too many entries", what));
  return out;
}

bool is_index(const std::string& media_type) {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

bool is_layer(const std::string& media_type) {
  bool plain = !media_type.contains("encrypted");
  return plain && (media_type.starts_with("application/vnd.oci.image.layer.") ||
                   media_type.starts_with("application/vnd.docker.image.rootfs."));
}

std::string blob_path(const std::string& digest) { return "blobs/sha256/" + digest.substr(7); }

// Docker's index says where its members come from by an annotation, on older versions by a platform
// that does not exist.
bool is_image(const Descriptor& d) {
  return !d.attestation && (!d.platform || d.platform->os != "unknown");
}

class LayoutReader {
 public:
  LayoutReader(BlobSource& source, Platform platform)
      : source_(source), platform_(std::move(platform)) {}
  std::vector<SourceImage> read();

 private:
  [[nodiscard]] bool suits(const Descriptor& d) const;
  std::vector<Descriptor> choose(const std::vector<Descriptor>& all, const std::string& what) const;
  std::string document(const Descriptor& d);
  void resolve(const Descriptor& d, std::vector<std::string> names, int depth);
  void add_manifest(const Descriptor& d, const json::value& manifest,
                    const std::vector<std::string>& names);

  BlobSource& source_;
  Platform platform_;
  std::vector<SourceImage> images_;
};

bool LayoutReader::suits(const Descriptor& d) const {
  return !d.platform ||
         (d.platform->os == platform_.os && d.platform->architecture == platform_.architecture);
}

// Throws Error where there are images, but none for us.
std::vector<Descriptor> LayoutReader::choose(const std::vector<Descriptor>& all,
                                             const std::string& what) const {
  std::vector<Descriptor> out;
  std::vector<std::string> others;
  for (const Descriptor& d : all) {
    if (!is_image(d)) continue;
    if (suits(d)) {
      out.push_back(d);
    } else {
      others.push_back(d.platform->os + "/" + d.platform->architecture);
    }
  }
  if (out.empty() && !others.empty()) {
    throw Error(fmt::format("{} has no image for {}/{}, only for {}", what, platform_.os,
                            platform_.architecture, fmt::join(others, ", ")));
  }
  return out;
}

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
  json::value value = parse_json(document(d), "blob " + d.digest);
  const json::object* object = value.if_object();
  if (object == nullptr) throw Error("blob " + d.digest + " is no manifest");
  // The descriptor's type may be missing in layouts made by hand; the document tells.
  bool index =
      is_index(d.media_type) || (!object->contains("config") && object->contains("manifests"));
  if (!index) return add_manifest(d, value, names);
  auto chosen = choose(read_list(value, "manifests", "blob " + d.digest), "index " + d.digest);
  if (chosen.empty()) throw Error("index " + d.digest + " has no image");
  // One index is one image for many platforms; what names its platform comes first.
  auto best =
      std::ranges::find_if(chosen, [](const Descriptor& c) { return c.platform.has_value(); });
  resolve(best == chosen.end() ? chosen.front() : *best, std::move(names), depth + 1);
}

void LayoutReader::add_manifest(const Descriptor& d, const json::value& manifest,
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
  image.manifest = d.digest;
  image.config_digest = configuration.digest;
  image.config = document(configuration);
  for (const Descriptor& layer : read_list(manifest, "layers", what)) {
    if (!is_layer(layer.media_type)) {
      throw Error(
          fmt::format("{} is no container image: it holds \"{:.100}\"", what, layer.media_type));
    }
    image.layers.push_back({blob_path(layer.digest), layer.digest.substr(7), layer.size, "", ""});
  }
  number_layers(image);
  images_.push_back(std::move(image));
}

std::vector<SourceImage> LayoutReader::read() {
  json::value index = parse_json(source_.read("index.json", kMaxDocument), "index.json");
  for (const Descriptor& d : choose(read_list(index, "manifests", "index.json"), "index.json"))
    resolve(d, {name_of(d)}, 0);
  return std::move(images_);
}

}  // namespace

std::vector<SourceImage> read_oci_layout(BlobSource& source, const Platform& platform) {
  return LayoutReader(source, platform).read();
}

}  // namespace pcompose::engine
