// What is written into the database about an image. Within a transaction of the caller's.
#pragma once

#include <string>

#include "base/database.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// The image with its layers; its id is that of its configuration. Throws Error where the
// configuration is none.
void insert_image(Database& db, const std::string& id, const LoadedImage& image);
void insert_tag(Database& db, const std::string& reference, const std::string& id,
                const std::string& manifest);
// A blob that a registry has of a layer.
void insert_layer_blob(Database& db, const std::string& diff_id, const LayerBlob& blob);

}  // namespace pcompose::engine
