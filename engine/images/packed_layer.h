// A layer on its way to a registry: its tar made again, compressed, and cut into chunks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/images/layer_store.h"
#include "engine/images/layer_tar.h"
#include "engine/images/report.h"

namespace pcompose::engine {

class PackedLayer {
 public:
  // Throws Error where the layer cannot be made into a tar again.
  PackedLayer(const LayerStore& store, const std::string& chain_id, const std::string& diff_id);

  // At most `size` bytes of the blob; "" at its end. Throws Error.
  std::string chunk(size_t size);
  // After the end: what registries call it.
  LayerBlob blob();
  // Bytes of the plain tar: so far, and of all.
  [[nodiscard]] int64_t packed() const { return static_cast<int64_t>(plain_.size()); }
  [[nodiscard]] int64_t size() const { return size_; }

 private:
  int64_t size_;
  LayerTar tar_;
  DigestStream plain_;
  std::unique_ptr<ByteStream> deflated_;
  DigestStream out_;
  std::string_view piece_;
};

}  // namespace pcompose::engine
