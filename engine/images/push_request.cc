#include "engine/images/push_request.h"

#include "base/error.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

constexpr const char* kWhat = "the request to pcompose-images";

using Texts = std::vector<std::string>;

json::object write_layer(const StoredLayer& layer) {
  json::array blobs;
  for (const LayerBlob& b : layer.blobs)
    blobs.push_back(json::object{{"digest", b.digest}, {"size", b.size}, {"type", b.media_type}});
  return {{"chain_id", layer.chain_id}, {"diff_id", layer.diff_id}, {"blobs", std::move(blobs)}};
}

StoredLayer read_layer(const json::object& o) {
  StoredLayer layer{json::value_to<std::string>(o.at("chain_id")),
                    json::value_to<std::string>(o.at("diff_id")),
                    {}};
  for (const json::value& value : o.at("blobs").as_array()) {
    layer.blobs.push_back({json::value_to<std::string>(value.at("digest")),
                           value.at("size").to_number<int64_t>(),
                           json::value_to<std::string>(value.at("type"))});
  }
  return layer;
}

json::object write_stored_image(const StoredImage& image) {
  json::array layers;
  for (const StoredLayer& layer : image.layers) layers.push_back(write_layer(layer));
  return {{"references", json::value_from(image.references)},
          {"config", image.config_digest},
          {"manifests", json::value_from(image.manifests)},
          {"layers", std::move(layers)}};
}

StoredImage read_stored_image(const json::object& o) {
  StoredImage image{json::value_to<Texts>(o.at("references")),
                    json::value_to<std::string>(o.at("config")),
                    json::value_to<Texts>(o.at("manifests")),
                    {}};
  for (const json::value& layer : o.at("layers").as_array())
    image.layers.push_back(read_layer(layer.as_object()));
  return image;
}

json::object write_push_image(const PushImage& image) {
  return {{"image", write_stored_image(image.image)},
          {"target", write_source(image.target)},
          {"tag", image.tag},
          {"others", json::value_from(image.others)}};
}

PushImage read_push_image(const json::object& o) {
  return {read_stored_image(o.at("image").as_object()), read_source(o.at("target").as_object()),
          json::value_to<std::string>(o.at("tag")), json::value_to<Texts>(o.at("others"))};
}

}  // namespace

std::string write_push_request(const PushRequest& request) {
  json::array images;
  for (const PushImage& image : request.images) images.push_back(write_push_image(image));
  return json::serialize(
      json::object{{"images", std::move(images)},
                   {"proxies", write_proxies(request.proxies)},
                   {"certificates", json::value_from(request.certificate_directories)}});
}

PushRequest read_push_request(std::string_view text) {
  json::value value = parse_json(text, kWhat);
  const json::object& o = value.as_object();
  PushRequest request;
  for (const json::value& image : o.at("images").as_array())
    request.images.push_back(read_push_image(image.as_object()));
  request.proxies = read_proxies(o.at("proxies").as_object());
  request.certificate_directories = json::value_to<Texts>(o.at("certificates"));
  return request;
}

std::string write_save_request(const SaveRequest& request) {
  json::array images;
  for (const StoredImage& image : request.images) images.push_back(write_stored_image(image));
  return json::serialize(json::object{{"images", std::move(images)},
                                      {"format", static_cast<int64_t>(request.format)}});
}

SaveRequest read_save_request(std::string_view text) {
  json::value value = parse_json(text, kWhat);
  const json::object& o = value.as_object();
  SaveRequest request;
  for (const json::value& image : o.at("images").as_array())
    request.images.push_back(read_stored_image(image.as_object()));
  int64_t format = o.at("format").as_int64();
  if (format < 0 || format > static_cast<int64_t>(ArchiveFormat::docker_directory))
    throw Error("the request to pcompose-images holds an unknown format");
  request.format = static_cast<ArchiveFormat>(format);
  return request;
}

}  // namespace pcompose::engine
