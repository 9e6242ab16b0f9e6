// Images from registries into the store.
#pragma once

#include "engine/images/document_store.h"
#include "engine/images/layer_store.h"
#include "engine/images/pull_report.h"
#include "engine/images/pull_request.h"
#include "engine/images/registry/transfers.h"

namespace pcompose::engine {

// What is read while the worker may still read any file.
using CertificatesOf = std::map<std::string, TlsFiles>;  // by host
CertificatesOf read_all_certificates(const PullRequest& request);

// Pulls all images of the request at once and reports what became of each; one that fails does not
// stop the others. Blocks. Throws Error where nothing works at all.
void pull_images(const PullRequest& request, const CertificatesOf& certificates, LayerStore& layers,
                 DocumentStore& documents, PullReport& report);

}  // namespace pcompose::engine
