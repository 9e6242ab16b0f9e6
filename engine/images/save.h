// Images of the store into archives and directories that others read.
#pragma once

#include "engine/images/blob_sink.h"
#include "engine/images/document_store.h"
#include "engine/images/layer_store.h"
#include "engine/images/push_request.h"

namespace pcompose::engine {

// Writes all images of the request: layers as plain tars, each once, byte for byte what they were,
// so that every id stays. Throws Error.
void save_images(const SaveRequest& request, BlobSink& sink, const LayerStore& layers,
                 const DocumentStore& documents);

}  // namespace pcompose::engine
