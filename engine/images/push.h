// Images of the store into registries.
#pragma once

#include "engine/images/document_store.h"
#include "engine/images/layer_store.h"
#include "engine/images/pull.h"
#include "engine/images/pull_report.h"
#include "engine/images/push_request.h"

namespace pcompose::engine {

CertificatesOf read_all_certificates(const PushRequest& request);

// Pushes all images of the request at once and reports what became of each, as PulledImage: its
// manifest's digest and the blobs that its layers have there. One that fails does not stop the
// others. A registry gets what it lacks, manifests last. Blocks. Throws Error where nothing works.
void push_images(const PushRequest& request, const CertificatesOf& certificates, LayerStore& layers,
                 const DocumentStore& documents, PullReport& report);

}  // namespace pcompose::engine
