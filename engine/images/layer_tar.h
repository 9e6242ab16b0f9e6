// A layer's tar, made again from its files and its record.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/sha256.h"
#include "engine/images/layer_record.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

// Items of a record, one after the other.
class RecordReader {
 public:
  // `layer`: its directory. Throws Error where it has no record.
  explicit RecordReader(int layer);
  // False at the end. What was left of the item before is passed over.
  bool next(RecordHead& head);
  // A piece of the item's raw bytes; "" where none is left.
  std::string_view raw();
  // After the raw bytes: the path.
  std::string path();

 private:
  std::string_view piece(uint64_t at_most);
  std::string exactly(uint64_t size);

  FileStream packed_;
  std::unique_ptr<ByteStream> stream_;
  std::string_view piece_;
  uint64_t raw_ = 0, path_ = 0;  // what is left of them
};

// Byte for byte what was unpacked: at the end its digest is held against the diff id. Throws Error
// where it is another one, or where the layer has no record.
class LayerTar final : public ByteStream {
 public:
  // `layer`: its directory. `diff_id`: 64 hexadecimal digits.
  LayerTar(const Fd& layer, std::string diff_id);
  std::string_view next() override;

 private:
  std::string_view next_piece();
  std::string_view body_piece();
  void open_body(const std::string& path);

  RecordReader record_;
  RecordHead head_;
  Fd files_, lost_;
  std::string diff_id_;
  std::vector<char> buffer_;
  Fd body_;
  uint64_t body_offset_ = 0;
  bool ended_ = false;
  Sha256 digest_;
};

// The length of that tar, from the record alone. Throws Error.
uint64_t layer_tar_size(const Fd& layer);

}  // namespace pcompose::engine
