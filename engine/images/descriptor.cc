#include "engine/images/descriptor.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "engine/images/reference.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxEntries = 1000;

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

bool is_layer(const std::string& media_type) {
  bool plain = !media_type.contains("encrypted");
  return plain && (media_type.starts_with("application/vnd.oci.image.layer.") ||
                   media_type.starts_with("application/vnd.docker.image.rootfs."));
}

// Docker's index says where its members come from by an annotation, on older versions by a platform
// that does not exist.
bool is_image(const Descriptor& d) {
  return !d.attestation && (!d.platform || d.platform->os != "unknown");
}

}  // namespace

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
    const json::object& members = platform->get_object();
    out.platform = Platform{optional_text(members, "os"), optional_text(members, "architecture"),
                            optional_text(members, "variant")};
  }
  if (const json::value* annotations = object.if_contains("annotations"))
    read_annotations(*annotations, out);
  return out;
}

std::vector<Descriptor> read_descriptors(const json::value& document, std::string_view key,
                                         const std::string& what) {
  const json::value* list = document.is_object() ? document.get_object().if_contains(key) : nullptr;
  if (list == nullptr || !list->is_array())
    throw Error(fmt::format("{}: \"{}\" is not a list", what, key));
  std::vector<Descriptor> out;
  for (const json::value& value : list->get_array()) out.push_back(read_descriptor(value, what));
  if (out.size() > kMaxEntries) throw Error(fmt::format("{}: too many entries", what));
  return out;
}

std::vector<Descriptor> read_layers(const json::value& manifest, const std::string& what) {
  auto layers = read_descriptors(manifest, "layers", what);
  for (const Descriptor& layer : layers) {
    if (is_layer(layer.media_type)) continue;
    throw Error(
        fmt::format("{} is no container image: it holds \"{:.100}\"", what, layer.media_type));
  }
  return layers;
}

std::vector<Descriptor> choose_descriptors(const std::vector<Descriptor>& all,
                                           const Platform& platform, const std::string& what) {
  std::vector<std::pair<int, size_t>> ranked;  // the worse the more; where
  std::vector<std::string> others;
  for (size_t i = 0; i < all.size(); ++i) {
    const Descriptor& d = all[i];
    if (!is_image(d)) continue;
    int rank = d.platform ? platform.suits(*d.platform) : -1;
    if (rank != 0) {
      ranked.emplace_back(-rank, i);
    } else {
      others.push_back(d.platform->str());
    }
  }
  if (ranked.empty() && !others.empty()) {
    throw Error(fmt::format("{} has no image for {}, only for {}", what, platform.str(),
                            fmt::join(others, ", ")));
  }
  std::ranges::sort(ranked);
  std::vector<Descriptor> out;
  for (const auto& [rank, place] : ranked) out.push_back(all[place]);
  return out;
}

bool is_index(const std::string& media_type, const json::object& document) {
  return media_type == "application/vnd.oci.image.index.v1+json" ||
         media_type == "application/vnd.docker.distribution.manifest.list.v2+json" ||
         (!document.contains("config") && document.contains("manifests"));
}

}  // namespace pcompose::engine
