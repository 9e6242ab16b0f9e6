// One layer: from its blob to a directory, verified on the way.
#pragma once

#include <cstdint>
#include <string>

#include "engine/images/layer_writer.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

struct LayerDigests {
  std::string diff_id;  // of the plain tar, 64 hexadecimal digits
  std::string blob;     // of what is read, or "" where the format does not say
  int64_t blob_size = -1;
};

struct UnpackedLayer {
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

// Where a layer is written: an empty directory for its files, and, where the layer is to be pushed
// and saved, the directory for its record. -1: no record.
struct LayerPlace {
  int root = -1;
  int record = -1;
};

// Reads `blob` to its end and writes its entries beneath `place.root`. Throws Error: the blob's
// digest first, since damage shows in many other ways. What was written is incomplete then. The
// blob is read, verified and inflated on a second thread.
UnpackedLayer unpack_layer(ByteStream& blob, const LayerDigests& expected, LayerPlace place,
                           LayerLimits limits, Ownership ownership);

}  // namespace pcompose::engine
