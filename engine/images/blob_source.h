// Where the files of an image come from: a directory or an archive.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

class BlobSource {
 public:
  virtual ~BlobSource() = default;
  [[nodiscard]] virtual bool has(const std::string& path) = 0;
  // Throws Error naming the path where it is missing. The stream may outlive nothing of ours, and
  // several may be read at once, on different threads.
  [[nodiscard]] virtual std::unique_ptr<ByteStream> open(const std::string& path) = 0;
  // The whole file. Throws Error where it is longer than `limit`.
  [[nodiscard]] std::string read(const std::string& path, size_t limit);
};

// Files beneath a directory; a link cannot lead out of it.
class DirectorySource final : public BlobSource {
 public:
  explicit DirectorySource(Fd directory) : directory_(std::move(directory)) {}
  [[nodiscard]] bool has(const std::string& path) override;
  [[nodiscard]] std::unique_ptr<ByteStream> open(const std::string& path) override;

 private:
  Fd directory_;
};

// Members of a plain tar in a regular file.
class ArchiveSource final : public BlobSource {
 public:
  // Reads all headers. Throws Error where it is no tar.
  explicit ArchiveSource(Fd file);
  [[nodiscard]] bool has(const std::string& path) override;
  [[nodiscard]] std::unique_ptr<ByteStream> open(const std::string& path) override;

 private:
  struct Member {
    int64_t position = 0;
    std::string link;  // another member, where it is one
  };
  [[nodiscard]] const Member* find(const std::string& path) const;

  Fd file_;
  std::map<std::string, Member> members_;
};

}  // namespace pcompose::engine
