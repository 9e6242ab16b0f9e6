#include "engine/images/layer_tar.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/bounds.h"

namespace pcompose::engine {
namespace {

constexpr uint64_t kMaxPath = 4096;  // PATH_MAX: the writer took no longer one
constexpr const char* kAgain =
    "pull or load the image again; layers of older versions have no record";

Fd open_record(int layer) {
  Fd file(::openat(layer, kRecordName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (file) return file;
  if (errno != ENOENT) throw Error::from_errno("open a layer's record");
  throw Error("a layer cannot be made into an archive again: nothing says how it was packed",
              ENOENT)
      .hint(kAgain);
}

}  // namespace

RecordReader::RecordReader(int layer) : packed_(open_record(layer)), stream_(inflate(packed_)) {}

std::string_view RecordReader::piece(uint64_t at_most) {
  if (piece_.empty()) piece_ = stream_->next();
  std::string_view out = piece_.substr(0, std::min<uint64_t>(piece_.size(), at_most));
  piece_.remove_prefix(out.size());
  return out;
}

std::string RecordReader::exactly(uint64_t size) {
  std::string out;
  while (out.size() < size) {
    std::string_view part = piece(size - out.size());
    if (part.empty()) throw Error("a layer's record is cut off").hint(kAgain);
    out += part;
  }
  return out;
}

bool RecordReader::next(RecordHead& head) {
  while (!raw().empty()) {
  }
  path();
  if (piece_.empty()) piece_ = stream_->next();
  if (piece_.empty()) return false;
  std::string bytes = exactly(sizeof head);
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.path > kMaxPath) throw Error("a layer's record is damaged").hint(kAgain);
  raw_ = head.raw;
  path_ = head.path;
  return true;
}

std::string_view RecordReader::raw() {
  if (raw_ == 0) return {};
  std::string_view out = piece(raw_);
  if (out.empty()) throw Error("a layer's record is cut off").hint(kAgain);
  raw_ -= out.size();
  return out;
}

std::string RecordReader::path() { return exactly(std::exchange(path_, 0)); }

LayerTar::LayerTar(const Fd& layer, std::string diff_id)
    : record_(layer.get()),
      files_(open_at(layer.get(), "diff", O_PATH | O_DIRECTORY | O_NOFOLLOW)),
      lost_(::openat(layer.get(), kLostName, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
      diff_id_(std::move(diff_id)),
      buffer_(kPiece) {}

void LayerTar::open_body(const std::string& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  std::string name = std::to_string(head_.id);
  if (lost_) body_ = Fd(::openat(lost_.get(), name.c_str(), kFlags | O_CLOEXEC));
  if (!body_) body_ = open_within(files_.get(), path, kFlags, Resolve::no_links);
  struct stat status{};
  if (::fstat(body_.get(), &status) != 0) throw Error::from_errno("fstat");
  if (!S_ISREG(status.st_mode)) throw Error(path + " of a layer is no regular file any more");
  body_offset_ = 0;
}

std::string_view LayerTar::body_piece() {
  uint64_t wanted = std::min<uint64_t>(head_.body - body_offset_, buffer_.size());
  for (;;) {
    ssize_t n = ::pread(body_.get(), buffer_.data(), wanted, static_cast<off_t>(body_offset_));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read a layer's file");
    if (n == 0) throw Error("a file of a layer is shorter than it was").hint(kAgain);
    body_offset_ += static_cast<uint64_t>(n);
    return {buffer_.data(), static_cast<size_t>(n)};
  }
}

std::string_view LayerTar::next_piece() {
  while (!ended_) {
    if (std::string_view raw = record_.raw(); !raw.empty()) return raw;
    if (head_.body > 0 && !body_) open_body(record_.path());
    if (body_ && body_offset_ < head_.body) return body_piece();
    body_.reset();
    ended_ = !record_.next(head_);
  }
  return {};
}

std::string_view LayerTar::next() {
  if (ended_) return {};
  std::string_view piece = next_piece();
  digest_.update(piece.data(), piece.size());
  if (!piece.empty()) return piece;
  std::string found = digest_.hex();
  if (found != diff_id_) {
    throw Error(fmt::format("a layer on the disk is not what it was: expected sha256:{}, made "
                            "sha256:{} of it",
                            diff_id_, found))
        .hint(kAgain);
  }
  return {};
}

uint64_t layer_tar_size(const Fd& layer) {
  RecordReader record(layer.get());
  uint64_t size = 0;
  for (RecordHead head; record.next(head);) size += head.raw + head.body;
  return size;
}

}  // namespace pcompose::engine
