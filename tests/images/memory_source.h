// A source whose files are strings.
#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/blob_source.h"

namespace pcompose::engine {

class MemorySource final : public BlobSource {
 public:
  std::map<std::string, std::string> files;

  // The digest of a new blob.
  std::string blob(const std::string& data) {
    std::string hex = sha256_hex(data);
    files["blobs/sha256/" + hex] = data;
    return "sha256:" + hex;
  }
  bool has(const std::string& path) override { return files.contains(path); }
  std::unique_ptr<ByteStream> open(const std::string& path) override {
    auto found = files.find(path);
    if (found == files.end()) throw Error("there is no " + path);
    return std::make_unique<MemoryStream>(found->second);
  }
};

}  // namespace pcompose::engine
