#include "engine/images/packed_layer.h"

#include <limits>

#include "engine/images/manifest_writer.h"

namespace pcompose::engine {
namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

}  // namespace

PackedLayer::PackedLayer(const LayerStore& store, const std::string& chain_id,
                         const std::string& diff_id)
    : size_(static_cast<int64_t>(layer_tar_size(store.open(chain_id)))),
      tar_(store.open(chain_id), diff_id),
      plain_(tar_, "a layer", kNoLimit),
      deflated_(deflate(plain_)),
      out_(*deflated_, "a layer", kNoLimit) {}

std::string PackedLayer::chunk(size_t size) {
  std::string out;
  while (out.size() < size) {
    if (piece_.empty()) piece_ = out_.next();
    if (piece_.empty()) break;
    std::string_view part = piece_.substr(0, size - out.size());
    out += part;
    piece_.remove_prefix(part.size());
  }
  return out;
}

LayerBlob PackedLayer::blob() {
  return {"sha256:" + out_.hex(), static_cast<int64_t>(out_.size()),
          layer_type(Dialect::oci, Packing::gzip)};
}

}  // namespace pcompose::engine
