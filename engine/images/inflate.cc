#include <isa-l/igzip_lib.h>
#include <memory>
#include <zstd.h>

#include "base/error.h"
#include "engine/images/stream.h"

namespace pcompose::engine {
namespace {

constexpr size_t kInflated = 512U << 10U;

// Gives back what was looked at before the rest.
class Lookahead final : public ByteStream {
 public:
  explicit Lookahead(ByteStream& source) : source_(source) {}
  // At least `wanted` bytes, or all that there are.
  const std::string& look(size_t wanted) {
    while (head_.size() < wanted) {
      std::string_view piece = source_.next();
      if (piece.empty()) break;
      head_ += piece;
    }
    return head_;
  }
  std::string_view next() override {
    if (given_) return source_.next();
    given_ = true;
    return head_.empty() ? source_.next() : std::string_view(head_);
  }

 private:
  ByteStream& source_;
  std::string head_;
  bool given_ = false;
};

class Plain final : public ByteStream {
 public:
  explicit Plain(std::unique_ptr<Lookahead> source) : source_(std::move(source)) {}
  std::string_view next() override { return source_->next(); }

 private:
  std::unique_ptr<Lookahead> source_;
};

// isa-l's words for what is wrong with a member.
const char* damage(int result) {
  switch (result) {
    case ISAL_INVALID_WRAPPER:
      return "no gzip header where one belongs";
    case ISAL_UNSUPPORTED_METHOD:
      return "not compressed by deflate";
    case ISAL_INCORRECT_CHECKSUM:
      return "incorrect checksum";
    case ISAL_INVALID_LOOKBACK:
      return "invalid distance too far back";
    default:
      return "invalid block";
  }
}

class Gzip final : public ByteStream {
 public:
  explicit Gzip(std::unique_ptr<Lookahead> source)
      : source_(std::move(source)), state_(std::make_unique<inflate_state>()), buffer_(kInflated) {
    ::isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;
  }

  std::string_view next() override {
    state_->next_out = reinterpret_cast<uint8_t*>(buffer_.data());
    state_->avail_out = static_cast<uint32_t>(buffer_.size());
    while (state_->avail_out > 0 && (refill() || within_)) {
      if (!step()) break;
    }
    return {buffer_.data(), buffer_.size() - state_->avail_out};
  }

 private:
  // False at the end of the source.
  bool refill() {
    if (state_->avail_in > 0) return true;
    if (ended_) return false;
    std::string_view piece = source_->next();
    ended_ = piece.empty();
    // The interface takes no const, and does not write.
    state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(piece.data()));
    state_->avail_in = static_cast<uint32_t>(piece.size());
    return !ended_;
  }

  // False where nothing is left to do. Some input is kept inside, so a step without any may still
  // give something out.
  bool step() {
    uint32_t in = state_->avail_in, out = state_->avail_out;
    if (!within_) begin_member();
    int result = ::isal_inflate(state_.get());
    if (result < 0) throw Error(std::string("the gzip stream is damaged: ") + damage(result));
    if (state_->block_state == ISAL_BLOCK_FINISH) {
      within_ = false;
      return true;
    }
    bool moved = state_->avail_in != in || state_->avail_out != out;
    if (ended_ && !moved) throw Error("the gzip stream is cut off");
    return true;
  }

  // Another member may follow: RFC 1952, 2.2.
  void begin_member() {
    ::isal_inflate_reset(state_.get());
    state_->crc_flag = ISAL_GZIP;
    within_ = true;
  }

  std::unique_ptr<Lookahead> source_;
  std::unique_ptr<inflate_state> state_;
  std::vector<char> buffer_;
  bool within_ = false;  // a member has begun
  bool ended_ = false;   // the source has
};

class Zstd final : public ByteStream {
 public:
  explicit Zstd(std::unique_ptr<Lookahead> source)
      : source_(std::move(source)), state_(::ZSTD_createDStream()), buffer_(kInflated) {
    if (!state_) throw Error("zstd does not start");
  }

  std::string_view next() override {
    ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
    while (out.pos < out.size && refill()) {
      size_t result = ::ZSTD_decompressStream(state_.get(), &out, &in_);
      if (::ZSTD_isError(result) != 0U) {
        throw Error(std::string("the zstd stream is damaged: ") + ::ZSTD_getErrorName(result));
      }
      within_ = result != 0;
    }
    return {buffer_.data(), out.pos};
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const { ::ZSTD_freeDStream(stream); }
  };

  // False at the end of the source. Input is looked for only where the decoder has given out all
  // that it holds, or else the end would cut it off.
  bool refill() {
    if (in_.pos < in_.size) return true;
    std::string_view piece = source_->next();
    if (!piece.empty()) {
      in_ = {piece.data(), piece.size(), 0};
      return true;
    }
    if (within_ && !flushing_) {
      flushing_ = true;
      in_ = {"", 0, 0};
      return true;
    }
    if (within_) throw Error("the zstd stream is cut off");
    return false;
  }

  std::unique_ptr<Lookahead> source_;
  std::unique_ptr<ZSTD_DStream, Free> state_;
  std::vector<char> buffer_;
  ZSTD_inBuffer in_{"", 0, 0};
  bool within_ = false;
  bool flushing_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> inflate(ByteStream& source) {
  auto ahead = std::make_unique<Lookahead>(source);
  const std::string& head = ahead->look(6);
  if (head.starts_with("\x1f\x8b")) return std::make_unique<Gzip>(std::move(ahead));
  if (head.starts_with("\x28\xb5\x2f\xfd")) return std::make_unique<Zstd>(std::move(ahead));
  if (head.starts_with(std::string_view("\xfd"
                                        "7zXZ\0",
                                        6)) ||
      head.starts_with("BZh"))
    throw Error("compressed with xz or bzip2: images are plain, gzip or zstd");
  return std::make_unique<Plain>(std::move(ahead));
}

}  // namespace pcompose::engine
