// A stream that is read on a thread of its own, so that both ends work at once.
#pragma once

#include "base/loop.h"
#include "engine/images/byte_ring.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

class ReadAhead final : public ByteStream {
 public:
  // Reads `source`, which outlives this, at most `capacity` bytes ahead. What it throws comes out
  // of next().
  ReadAhead(ByteStream& source, size_t capacity);
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  // Waits until `source` has given what it was asked for; nobody reads it afterwards.
  ~ReadAhead() override { ring_.abandon(); }
  std::string_view next() override { return ring_.next(); }

 private:
  void read(ByteStream& source);

  ByteRing ring_;
  LoopThread thread_;  // goes first
};

}  // namespace pcompose::engine
