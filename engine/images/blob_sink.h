// Where the files of an image go: a directory or an archive. The counterpart of BlobSource.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

class BlobSink {
 public:
  virtual ~BlobSink() = default;
  // A file `path` of `size` bytes. Throws Error, where `content` has another number of bytes too.
  virtual void put(const std::string& path, uint64_t size, ByteStream& content) = 0;
  void put(const std::string& path, std::string_view text);
  // Everything is there, and on the disk where it is one. Throws Error.
  virtual void finish() = 0;
};

// An empty directory; what is there is an error.
std::unique_ptr<BlobSink> directory_sink(Fd directory);
// A tar; `file` may be a pipe.
std::unique_ptr<BlobSink> archive_sink(Fd file);

}  // namespace pcompose::engine
