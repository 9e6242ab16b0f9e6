#include "engine/images/unpack.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/images/layer_record.h"
#include "engine/images/read_ahead.h"

namespace pcompose::engine {
namespace {

// Large enough to hide a slow write, small enough for the processor's cache.
constexpr size_t kAhead = 1U << 20U;

// Headers and padding come on top of the files' bytes.
uint64_t stream_limit(const LayerLimits& limits) { return limits.bytes + limits.entries * 4096; }

// A small blob that becomes a large layer is a bomb.
uint64_t plain_limit(const LayerLimits& limits, int64_t blob_size) {
  constexpr uint64_t kAlways = 1ULL << 30U;
  uint64_t most = stream_limit(limits);
  if (blob_size < 0 || static_cast<uint64_t>(blob_size) > most / limits.ratio) return most;
  return std::min(most, std::max(kAlways, static_cast<uint64_t>(blob_size) * limits.ratio));
}

void check_blob(DigestStream& raw, const LayerDigests& expected) {
  if (expected.blob.empty()) return;
  if (expected.blob_size >= 0 && raw.size() != static_cast<uint64_t>(expected.blob_size)) {
    throw Error(fmt::format("blob sha256:{}: expected {} bytes, found {}", expected.blob,
                            expected.blob_size, raw.size()));
  }
  std::string found = raw.hex();
  if (found != expected.blob) {
    throw Error(fmt::format("blob sha256:{0} is damaged: expected sha256:{0}, found sha256:{1}",
                            expected.blob, found));
  }
}

// What no file has taken: a body of an entry that is none.
WrittenFile keep_body(TarReader& reader, LostBodies& lost) {
  WrittenFile out;
  Fd file = lost.create(reader.position(), out.id);
  for (TarData piece; reader.data(piece);) {
    write_all(file.get(), piece.bytes);
    out.size += static_cast<int64_t>(piece.bytes.size());
  }
  return out;
}

UnpackedLayer write_entries(ByteStream& plain, int root, LayerLimits limits, Ownership ownership) {
  TarReader reader(plain);
  LayerWriter writer(root, limits, ownership);
  while (reader.next())
    writer.add(reader.entry(), [&reader](TarData& piece) { return reader.data(piece); });
  writer.finish();
  return {writer.bytes(), writer.entries()};
}

// The same, and the record.
UnpackedLayer write_and_record(ByteStream& plain, LayerPlace place, LayerLimits limits,
                               Ownership ownership) {
  LayerRecorder recorder(plain, place.record);
  LostBodies lost(place.record);
  TarReader reader(recorder);
  LayerWriter writer(place.root, limits, ownership, &lost);
  while (reader.next()) {
    bool began = false;
    auto written = writer.add(reader.entry(), [&](TarData& piece) {
      began = true;
      return reader.data(piece);
    });
    if (!written && !began && recorder.needs(reader.position())) written = keep_body(reader, lost);
    recorder.entry(reader.position(), written);
  }
  writer.finish();
  while (!recorder.next().empty()) {  // what follows the archive's end is part of the tar
  }
  recorder.finish();
  return {writer.bytes(), writer.entries()};
}

}  // namespace

UnpackedLayer unpack_layer(ByteStream& blob, const LayerDigests& expected, LayerPlace place,
                           LayerLimits limits, Ownership ownership) {
  uint64_t most =
      expected.blob_size >= 0 ? static_cast<uint64_t>(expected.blob_size) : stream_limit(limits);
  DigestStream raw(blob, "blob sha256:" + expected.blob, most);
  UnpackedLayer out;
  std::string found;
  try {
    auto inflated = inflate(raw);
    ReadAhead ahead(*inflated, kAhead);
    DigestStream plain(ahead, "the layer sha256:" + expected.diff_id,
                       plain_limit(limits, expected.blob_size));
    out = place.record < 0 ? write_entries(plain, place.root, limits, ownership)
                           : write_and_record(plain, place, limits, ownership);
    plain.drain();  // padding behind the archive's end belongs to the digest
    found = plain.hex();
  } catch (const Error&) {
    raw.drain();
    check_blob(raw, expected);
    throw;
  }
  check_blob(raw, expected);
  if (found != expected.diff_id) {
    throw Error(
        fmt::format("the layer's content is not what the image says: expected sha256:{}, "
                    "found sha256:{}",
                    expected.diff_id, found));
  }
  return out;
}

}  // namespace pcompose::engine
