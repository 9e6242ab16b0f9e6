#include "engine/images/layer_record.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <vector>
#include <zstd.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

constexpr int kLevel = 1;  // headers are mostly zeros, and four layers are written at once
constexpr size_t kFlush = 64U << 10U;

std::string_view bytes_of(const RecordHead& head) {
  return {reinterpret_cast<const char*>(&head), sizeof head};
}

}  // namespace

struct ZstdWriter::State {
  struct Free {
    void operator()(ZSTD_CStream* stream) const { ::ZSTD_freeCStream(stream); }
  };
  Fd file;
  std::unique_ptr<ZSTD_CStream, Free> stream{::ZSTD_createCStream()};
  std::vector<char> buffer = std::vector<char>(::ZSTD_CStreamOutSize());

  // Whether something is left to come out.
  bool step(ZSTD_inBuffer& in, ZSTD_EndDirective what) {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    size_t left = ::ZSTD_compressStream2(stream.get(), &out, &in, what);
    if (::ZSTD_isError(left) != 0U) throw Error(std::string("zstd: ") + ::ZSTD_getErrorName(left));
    write_all(file.get(), {buffer.data(), out.pos});
    return left != 0;
  }
};

ZstdWriter::ZstdWriter(Fd file) : state_(std::make_unique<State>()) {
  state_->file = std::move(file);
  if (!state_->stream) throw Error("zstd does not start");
  ::ZSTD_CCtx_setParameter(state_->stream.get(), ZSTD_c_compressionLevel, kLevel);
}

ZstdWriter::~ZstdWriter() = default;

void ZstdWriter::write(std::string_view data) {
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  while (in.pos < in.size) state_->step(in, ZSTD_e_continue);
}

void ZstdWriter::finish() {
  ZSTD_inBuffer in{"", 0, 0};
  while (state_->step(in, ZSTD_e_end)) {
  }
}

LayerRecorder::LayerRecorder(ByteStream& source, int directory)
    : source_(source),
      directory_(directory),
      out_(open_at(directory, kRecordName, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600)),
      splitter_(*this) {}

std::string_view LayerRecorder::next() {
  std::string_view piece = source_.next();
  splitter_.feed(piece);
  return piece;
}

void LayerRecorder::raw(std::string_view bytes) {
  tail_ += bytes;
  if (!bodies_.empty() || tail_.size() < kFlush) return;
  write(tail_, 0, {});
  tail_.clear();
}

void LayerRecorder::body(int64_t position, int64_t size) {
  bodies_.push_back({std::exchange(tail_, {}), position, size});
}

void LayerRecorder::write(std::string_view before, uint64_t size, const WrittenFile& file) {
  out_.write(bytes_of({before.size(), size, file.id, file.path.size()}));
  out_.write(before);
  out_.write(file.path);
}

bool LayerRecorder::needs(int64_t position) const {
  return !bodies_.empty() && bodies_.front().position == position;
}

void LayerRecorder::entry(int64_t position, const std::optional<WrittenFile>& written) {
  if (!agreed_ || bodies_.empty() || bodies_.front().position > position) return;
  const Body& body = bodies_.front();
  agreed_ = body.position == position && written && written->size == body.size;
  if (agreed_) write(body.before, static_cast<uint64_t>(body.size), *written);
  bodies_.pop_front();
}

void LayerRecorder::finish() {
  agreed_ = agreed_ && bodies_.empty();
  if (agreed_) {
    write(tail_, 0, {});
    out_.finish();
  } else if (::unlinkat(directory_, kRecordName, 0) != 0) {
    throw Error::from_errno("remove a layer's record");
  }
}

}  // namespace pcompose::engine
