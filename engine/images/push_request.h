// What pcompose-images is told to push or to save. It travels like a PullRequest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/images.h"
#include "engine/images/pull_request.h"
#include "engine/images/report.h"

namespace pcompose::engine {

// An image of the store as archives and registries see it.
struct StoredLayer {
  std::string chain_id;          // 64 hexadecimal digits
  std::string diff_id;           // the same
  std::vector<LayerBlob> blobs;  // that it came in, or went out in
};

struct StoredImage {
  std::vector<std::string> references;  // normalised
  std::string config_digest;            // "sha256:…", of a document that the store keeps
  std::vector<std::string> manifests;   // "sha256:…", kept documents of this image
  std::vector<StoredLayer> layers;      // bottom first
};

struct PushImage {
  StoredImage image;
  ImageSource target;
  std::string tag;
  // Repositories of the same registry that may have its layers.
  std::vector<std::string> others;
};

struct PushRequest {
  std::vector<PushImage> images;
  Proxies proxies;
  std::vector<std::string> certificate_directories;
};

struct SaveRequest {
  std::vector<StoredImage> images;
  ArchiveFormat format = ArchiveFormat::docker_archive;
};

std::string write_push_request(const PushRequest& request);
std::string write_save_request(const SaveRequest& request);
// Both throw Error.
PushRequest read_push_request(std::string_view text);
SaveRequest read_save_request(std::string_view text);

}  // namespace pcompose::engine
