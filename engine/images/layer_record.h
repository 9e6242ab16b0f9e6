// What is left of a layer's tar when its files are taken away: with the files it makes the same tar
// again, so that an image is pushed and saved as the one it is.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "engine/images/lost_bodies.h"
#include "engine/images/stream.h"
#include "engine/images/tar_split.h"

namespace pcompose::engine {

// The file in a layer's directory, zstd: items, each a RecordHead, `raw` bytes of the tar, and the
// path of a file whose first `body` bytes come next (see docs/decisions/0010).
constexpr const char* kRecordName = "tar.record";
// Beside it, where the archive had bodies that no file of the layer has: RecordHead::id -> content.
constexpr const char* kLostName = "lost";

struct RecordHead {
  uint64_t raw = 0;   // bytes
  uint64_t body = 0;  // bytes; 0: no body and no path
  uint64_t id = 0;    // the file's name in lost/, where it is there
  uint64_t path = 0;  // bytes
};

class ZstdWriter {
 public:
  explicit ZstdWriter(Fd file);
  ZstdWriter(const ZstdWriter&) = delete;
  ZstdWriter& operator=(const ZstdWriter&) = delete;
  ~ZstdWriter();
  void write(std::string_view data);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Passes a plain tar on and writes the record. On one thread.
class LayerRecorder final : public ByteStream, private TarParts {
 public:
  // `directory`: the layer's. Both outlive the recorder.
  LayerRecorder(ByteStream& source, int directory);
  std::string_view next() override;

  // For each entry that the tar's reader has dealt with, in order; `written` where its whole body
  // is in that file.
  void entry(int64_t position, const std::optional<WrittenFile>& written);
  // Whether the record needs the body of the entry at `position`.
  [[nodiscard]] bool needs(int64_t position) const;
  // After the end of the stream. Where reader and record did not agree, no record is left: the
  // layer runs, and cannot be pushed.
  void finish();

 private:
  struct Body {
    std::string before;  // raw bytes
    int64_t position = 0, size = 0;
  };
  void raw(std::string_view bytes) override;
  void body(int64_t position, int64_t size) override;
  void write(std::string_view before, uint64_t size, const WrittenFile& file);

  ByteStream& source_;
  int directory_;
  ZstdWriter out_;
  TarSplitter splitter_;
  std::deque<Body> bodies_;  // that the reader has not come to: at most a piece's
  std::string tail_;         // behind the last of them
  bool agreed_ = true;
};

}  // namespace pcompose::engine
