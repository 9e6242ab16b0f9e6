#include "engine/images/stream.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/bounds.h"

namespace pcompose::engine {
FileStream::FileStream(Fd fd, Kind kind, int64_t offset)
    : fd_(std::move(fd)), kind_(kind), offset_(offset), buffer_(kPiece) {
  if (kind_ == Kind::pipe) return;
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0) throw Error::from_errno("fstat");
  size_ = status.st_size;
  static_cast<void>(::posix_fadvise(fd_.get(), offset, 0, POSIX_FADV_SEQUENTIAL));
}

std::string_view FileStream::next() {
  for (;;) {
    ssize_t n = kind_ == Kind::pipe ? ::read(fd_.get(), buffer_.data(), buffer_.size())
                                    : ::pread(fd_.get(), buffer_.data(), buffer_.size(), offset_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read");
    offset_ += n;
    return {buffer_.data(), static_cast<size_t>(n)};
  }
}

int64_t FileStream::skip(int64_t bytes) {
  if (kind_ == Kind::pipe) return 0;
  int64_t step = std::clamp<int64_t>(bytes, 0, std::max<int64_t>(size_ - offset_, 0));
  offset_ += step;
  return step;
}

DigestStream::DigestStream(ByteStream& source, std::string what, uint64_t limit)
    : source_(source), what_(std::move(what)), limit_(limit) {}

std::string_view DigestStream::next() {
  std::string_view piece = source_.next();
  size_ += piece.size();
  if (size_ > limit_) throw Error(fmt::format("{} is longer than {} bytes", what_, limit_), EFBIG);
  digest_.update(piece.data(), piece.size());
  return piece;
}

void DigestStream::drain() {
  while (!next().empty()) {
  }
}

}  // namespace pcompose::engine
