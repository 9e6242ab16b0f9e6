// Whatever a stranger writes into the documents of an image: no crash, and no image without layers.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/images/config.h"
#include "engine/images/layer_path.h"
#include "engine/images/manifest.h"
#include "engine/images/manifest_writer.h"
#include "engine/images/reference.h"
#include "engine/images/report.h"
#include "tests/images/memory_source.h"

using namespace pcompose;
using namespace pcompose::engine;

namespace {

template <class Parse>
void ignoring_errors(Parse&& parse) {
  try {
    parse();
  } catch (const Error&) {
  }
}

void check(const std::vector<SourceImage>& images) {
  for (const SourceImage& image : images) {
    if (image.layers.empty() || image.layers.size() > 127) std::abort();
    for (const SourceLayer& layer : image.layers) {
      if (!is_hex(layer.chain_id, 64)) std::abort();
    }
  }
}

void check_reference(const std::string& text) {
  std::string once = normalise_reference(text);
  if (normalise_reference(once) != once) std::abort();
  if (normalise_reference(familiar_reference(once)) != once) std::abort();
}

void check_path(const std::string& text) {
  LayerPath path = parse_layer_path(text);
  if (("/" + path.str() + "/").contains("/../") || path.str().starts_with('/')) std::abort();
}

}  // namespace

// The input is the index, the manifest, the configuration and the docker manifest, one a line.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  MemorySource layout, archive;
  layout.files["index.json"] = text.substr(0, text.find('\n'));
  archive.files["manifest.json"] = layout.files["index.json"];
  for (size_t start = 0; start < text.size();) {
    size_t end = std::min(text.find('\n', start), text.size());
    std::string line = text.substr(start, end - start);
    layout.blob(line);
    archive.files["config.json"] = line;
    ignoring_errors([&] { static_cast<void>(parse_image_document(line)); });
    ignoring_errors([&] { static_cast<void>(KnownManifest::read(line)); });
    ignoring_errors([&] { check_reference(line); });
    ignoring_errors([&] { check_path(line); });
    ignoring_errors([&] { check(read_source(archive, {"linux", "amd64"})); });
    start = end + 1;
  }
  ignoring_errors([&] { check(read_source(layout, {"linux", "amd64"})); });
  return 0;
}
