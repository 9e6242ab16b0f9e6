#include "engine/images/report.h"

#include <array>

#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

LoadedLayer read_layer(const json::object& object) {
  LoadedLayer layer;
  layer.chain_id = object.at("chain_id").as_string();
  layer.diff_id = object.at("diff_id").as_string();
  layer.size = object.at("size").as_int64();
  return layer;
}

LoadedImage read_image(const json::object& object) {
  LoadedImage image;
  image.references = json::value_to<std::vector<std::string>>(object.at("references"));
  image.manifest = object.at("manifest").as_string();
  image.config_digest = object.at("config_digest").as_string();
  image.config = object.at("config").as_string();
  for (const json::value& layer : object.at("layers").as_array())
    image.layers.push_back(read_layer(layer.as_object()));
  return image;
}

unsigned digit_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

std::string report_line(const LoadedImage& image) {
  json::array layers;
  for (const LoadedLayer& layer : image.layers) {
    layers.push_back(json::object{
        {"chain_id", layer.chain_id}, {"diff_id", layer.diff_id}, {"size", layer.size}});
  }
  json::object object{{"references", json::value_from(image.references)},
                      {"manifest", image.manifest},
                      {"config_digest", image.config_digest},
                      {"config", image.config},
                      {"layers", std::move(layers)}};
  return json::serialize(object) + "\n";
}

std::string report_done() { return "{\"done\":true}\n"; }

std::string report_error(const std::string& message, const std::string& hint) {
  return json::serialize(json::object{{"error", message}, {"hint", hint}}) + "\n";
}

std::vector<LoadedImage> read_report(std::string_view lines) {
  std::vector<LoadedImage> images;
  while (!lines.empty()) {
    size_t end = lines.find('\n');
    if (end == std::string_view::npos) break;  // it died while it wrote
    json::value value = parse_json(lines.substr(0, end), "the report of pcompose-images");
    const json::object& object = value.as_object();
    lines.remove_prefix(end + 1);
    if (object.contains("done")) return images;
    if (const json::value* error = object.if_contains("error")) {
      std::string hint(object.at("hint").as_string());
      throw Error(std::string(error->as_string())).hint(std::move(hint));
    }
    images.push_back(read_image(object));
  }
  throw Error("pcompose-images ended before its work was done")
      .hint("nothing was recorded: load again");
}

std::string chain_id(const std::string& parent, const std::string& diff_id) {
  return parent.empty() ? diff_id : sha256_hex("sha256:" + parent + " sha256:" + diff_id);
}

std::string link_name(const std::string& chain_id) {
  static constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";
  // 130 bits: nobody can make two layers that share a name.
  std::string out;
  unsigned pending = 0;
  int bits = 0;
  for (size_t i = 0; out.size() < 26; ++i) {
    pending = (pending << 4U | digit_value(chain_id.at(i))) & 0xfffU;
    bits += 4;
    if (bits < 5) continue;
    bits -= 5;
    out += kDigits[pending >> static_cast<unsigned>(bits) & 31U];
  }
  return out;
}

}  // namespace pcompose::engine
