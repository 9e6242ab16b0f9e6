// Streams of bytes that are pulled through: file -> digest -> inflate -> digest -> tar.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/sha256.h"

namespace pcompose::engine {

// Pieces stay where they are made: a view is valid until the next call.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // The next piece; "" at the end. Throws Error.
  virtual std::string_view next() = 0;
  // Passes over up to `bytes` without reading them and returns how many; 0 where it cannot.
  virtual int64_t skip(int64_t /*bytes*/) { return 0; }
};

// What a file holds from `offset` on. Streams on one descriptor do not disturb each other where it
// is a regular file; another kind is read as it comes.
class FileStream final : public ByteStream {
 public:
  enum class Kind { regular, pipe };
  explicit FileStream(Fd fd, Kind kind = Kind::regular, int64_t offset = 0);
  std::string_view next() override;
  int64_t skip(int64_t bytes) override;

 private:
  Fd fd_;
  Kind kind_;
  int64_t offset_;
  int64_t size_ = 0;
  std::vector<char> buffer_;
};

// Bytes in memory, which outlive the stream.
class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(std::string_view data) : data_(data) {}
  std::string_view next() override { return std::exchange(data_, {}); }

 private:
  std::string_view data_;
};

// Passes bytes on and remembers their digest and number.
class DigestStream final : public ByteStream {
 public:
  // `what` and `limit` for the error where more than `limit` bytes come.
  DigestStream(ByteStream& source, std::string what, uint64_t limit);
  std::string_view next() override;
  // Reads what is left.
  void drain();
  [[nodiscard]] uint64_t size() const { return size_; }
  // Of what has passed, 64 hexadecimal digits. Once only.
  std::string hex() { return digest_.hex(); }

 private:
  ByteStream& source_;
  std::string what_;
  uint64_t limit_;
  uint64_t size_ = 0;
  Sha256 digest_;
};

// Inflates gzip (RFC 1952) and zstd (RFC 8878), told by their first bytes, one member or frame
// after the other; anything else passes as it is. Throws Error on damage.
std::unique_ptr<ByteStream> inflate(ByteStream& source);

// Compresses: gzip (RFC 1952), the same bytes for the same input.
std::unique_ptr<ByteStream> deflate(ByteStream& source);

}  // namespace pcompose::engine
