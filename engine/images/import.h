// A plain tar, or a directory, as an image of one layer.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"
#include "engine/images/document_store.h"
#include "engine/images/layer_store.h"
#include "engine/images/report.h"

namespace pcompose::engine {

struct ImportRequest {
  std::string config;   // JSON: the member "config" of the image's configuration
  std::string message;  // of its history
  std::string created;  // RFC 3339
  std::string os, architecture, variant;
};

std::string write_import_request(const ImportRequest& request);
ImportRequest read_import_request(std::string_view text);

// `source`: a directory, or a tar (maybe compressed) in a file or a pipe. Throws Error.
LoadedImage import_image(Fd source, const ImportRequest& request, LayerStore& layers,
                         const DocumentStore& documents);

}  // namespace pcompose::engine
