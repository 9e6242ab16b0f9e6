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
  layer.blob.digest = object.at("blob").as_string();
  layer.blob.size = object.at("blob_size").as_int64();
  layer.blob.media_type = object.at("blob_type").as_string();
  return layer;
}

LoadedImage read_image(const json::object& object) {
  LoadedImage image;
  image.references = json::value_to<std::vector<std::string>>(object.at("references"));
  image.manifest = object.at("manifest").as_string();
  image.image_manifest = object.at("image_manifest").as_string();
  image.config_digest = object.at("config_digest").as_string();
  image.config = object.at("config").as_string();
  for (const json::value& layer : object.at("layers").as_array())
    image.layers.push_back(read_layer(layer.as_object()));
  image.skipped = json::value_to<std::vector<std::string>>(object.at("skipped"));
  return image;
}

json::object write_image(const LoadedImage& image) {
  json::array layers;
  for (const LoadedLayer& layer : image.layers) {
    layers.push_back(json::object{{"chain_id", layer.chain_id},
                                  {"diff_id", layer.diff_id},
                                  {"size", layer.size},
                                  {"blob", layer.blob.digest},
                                  {"blob_size", layer.blob.size},
                                  {"blob_type", layer.blob.media_type}});
  }
  return {{"references", json::value_from(image.references)},
          {"manifest", image.manifest},
          {"image_manifest", image.image_manifest},
          {"config_digest", image.config_digest},
          {"config", image.config},
          {"layers", std::move(layers)},
          {"skipped", json::value_from(image.skipped)}};
}

LayerProgress read_progress(const json::object& object) {
  LayerProgress out;
  out.digest = object.at("digest").as_string();
  int64_t state = object.at("state").as_int64();
  if (state < 0 || state > static_cast<int64_t>(LayerProgress::State::skipped))
    throw Error("the report of pcompose-images holds an unknown state");
  out.state = static_cast<LayerProgress::State>(state);
  out.received = object.at("received").as_int64();
  out.size = object.at("size").as_int64();
  return out;
}

PulledImage read_pulled(const json::object& object) {
  PulledImage out;
  out.index = object.at("index").to_number<size_t>();
  int64_t outcome = object.at("outcome").as_int64();
  if (outcome < 0 || outcome > static_cast<int64_t>(PulledImage::Outcome::failed))
    throw Error("the report of pcompose-images holds an unknown outcome");
  out.outcome = static_cast<PulledImage::Outcome>(outcome);
  out.reference = object.at("reference").as_string();
  out.error = object.at("error").as_string();
  out.hint = object.at("hint").as_string();
  if (const json::value* image = object.if_contains("image"))
    out.image = read_image(image->as_object());
  out.image.manifest = object.at("manifest").as_string();
  return out;
}

unsigned digit_value(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

std::string report_line(const LoadedImage& image) {
  return json::serialize(write_image(image)) + "\n";
}

std::string report_line(const LayerProgress& progress) {
  json::object object{{"digest", progress.digest},
                      {"state", static_cast<int>(progress.state)},
                      {"received", progress.received},
                      {"size", progress.size}};
  return json::serialize(json::object{{"layer", std::move(object)}}) + "\n";
}

std::string report_line(const PulledImage& image) {
  json::object object{{"index", image.index},         {"outcome", static_cast<int>(image.outcome)},
                      {"reference", image.reference}, {"error", image.error},
                      {"hint", image.hint},           {"manifest", image.image.manifest}};
  if (image.outcome == PulledImage::Outcome::pulled) object["image"] = write_image(image.image);
  return json::serialize(json::object{{"pulled", std::move(object)}}) + "\n";
}

std::string report_done() { return "{\"done\":true}\n"; }

std::string report_error(const std::string& message, const std::string& hint) {
  return json::serialize(json::object{{"error", message}, {"hint", hint}}) + "\n";
}

void ReportReader::line(std::string_view text) {
  json::value value = parse_json(text, "the report of pcompose-images");
  const json::object& object = value.as_object();
  if (object.contains("done")) {
    done_ = true;
  } else if (const json::value* error = object.if_contains("error")) {
    std::string hint(object.at("hint").as_string());
    throw Error(std::string(error->as_string())).hint(std::move(hint));
  } else if (const json::value* layer = object.if_contains("layer")) {
    progress(read_progress(layer->as_object()));
  } else if (const json::value* image = object.if_contains("pulled")) {
    pulled(read_pulled(image->as_object()));
  } else {
    loaded(read_image(object));
  }
}

void ReportReader::add(std::string_view text) {
  rest_ += text;
  size_t begin = 0;
  for (size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    line(std::string_view(rest_).substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
  if (rest_.size() > kMaxReportBytes) throw Error("the report of pcompose-images is too long");
}

std::vector<LoadedImage> read_report(std::string_view lines) {
  struct Reader final : ReportReader {
    std::vector<LoadedImage> images;
    void loaded(LoadedImage&& image) override { images.push_back(std::move(image)); }
  } reader;
  reader.add(lines);
  if (reader.done()) return std::move(reader.images);
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
