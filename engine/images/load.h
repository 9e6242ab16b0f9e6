// The worker's one job so far: a source becomes layers in the store.
#pragma once

#include <vector>

#include "base/fd.h"
#include "engine/images/document_store.h"
#include "engine/images/layer_store.h"
#include "engine/images/manifest.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// Unpacks the layers of all images in `source` (a directory, or a file with an archive) that the
// store lacks, some at once. Throws Error; layers that were finished by then stay, as nobody
// mistakes them for an image.
std::vector<LoadedImage> load_images(Fd source, LayerStore& store, const DocumentStore& documents,
                                     const Platform& platform);

}  // namespace pcompose::engine
