// The directories of layers: STATE/layers/<chain id>/diff, and short links to them in STATE/l.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "engine/images/unpack.h"

namespace pcompose::engine {

// Nothing here looks complete that is not: a layer is written in layers/.tmp-<chain id> and renamed
// when it is on the disk. Several processes may use one store: each layer is written once.
class LayerStore {
 public:
  // Writes a layer.
  using Unpack = std::function<UnpackedLayer(LayerPlace place)>;

  // `state` is the root's state directory. Makes what is missing. Throws Error.
  explicit LayerStore(const Fd& state);

  // Removes what killed processes left half done.
  void remove_stale();
  // Bytes of a layer that is there already, with its link.
  [[nodiscard]] std::optional<int64_t> find(const std::string& chain_id);
  // Has `unpack` fill the layer's directory, unless it is there or another process makes it, which
  // is waited for. Returns its bytes. Throws what `unpack` throws; nothing is left then. Several
  // threads may call it at once.
  int64_t add(const std::string& chain_id, const Unpack& unpack);
  // A layer that is there. Throws Error where it is not.
  [[nodiscard]] Fd open(const std::string& chain_id) const;

  // What the store writes to.
  [[nodiscard]] std::vector<int> directories() const { return {layers_.get(), links_.get()}; }
  // For files of a moment: no name, gone with the descriptor.
  [[nodiscard]] Fd temporary_file() const;

 private:
  int64_t fill(int directory, const std::string& chain_id, const Unpack& unpack);
  void link(const std::string& chain_id);

  Fd layers_;
  Fd links_;
};

}  // namespace pcompose::engine
