// Putting blobs and manifests into a repository: OCI distribution spec, "Push".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/images/registry/repository.h"

namespace pcompose::engine {

// The registry has lost what was sent: the blob is to be sent from its beginning.
class UploadLost : public Error {
 public:
  using Error::Error;
};

// A blob on its way, in chunks: neither its length nor its digest need be known before its end.
// Everything throws Error. What is not finished the registry forgets some day.
class Upload {
 public:
  // A blob that another repository of the registry has.
  struct Mount {
    std::string digest;
    std::string repository;
  };
  // nullptr where the registry took the blob from there. `mount` may be empty.
  static Task<std::unique_ptr<Upload>> begin(Repository& repository, Mount mount);
  // Not begun yet: for begin().
  explicit Upload(Repository& repository) : repository_(repository) {}

  // A chunk that arrives in part is taken up where it broke, where the registry can do that. Throws
  // UploadLost. `chunk` outlives the call.
  Task<> send(std::string_view chunk);
  // `digest`: "sha256:…" of all that was sent. Throws UploadLost.
  Task<> finish(std::string digest);

 private:
  void take(const HttpResult& result);
  Task<bool> find_place(int64_t begin, int64_t end);

  Repository& repository_;
  std::string location_;
  int64_t sent_ = 0;
};

Task<bool> has_blob(Repository& repository, std::string digest);
// A small blob, unless it is there.
Task<> put_document(Repository& repository, std::string digest, std::string text);
// `reference`: a tag or a digest. Returns the manifest's digest.
Task<std::string> put_manifest(Repository& repository, std::string reference,
                               std::string media_type, std::string text);

}  // namespace pcompose::engine
