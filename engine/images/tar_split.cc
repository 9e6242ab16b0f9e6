#include "engine/images/tar_split.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace pcompose::engine {
namespace {

constexpr size_t kMaxExtension = 1U << 20U;  // libarchive refuses more
constexpr int64_t kMaxSize = 1LL << 60;

// The field `size` of a header: octal digits, or a big-endian number behind a set bit (GNU tar
// manual, "Extensions to the archive format"). -1 where it is neither.
int64_t size_field(std::string_view block) {
  std::string_view field = block.substr(124, 12);
  auto first = static_cast<unsigned char>(field.front());
  if ((first & 0x80U) != 0) {
    uint64_t value = 0;
    if (first != 0x80U) return -1;  // negative, or beyond everything
    for (char c : field.substr(1)) {
      if (value >> 52U != 0) return -1;
      value = value << 8U | static_cast<unsigned char>(c);
    }
    return static_cast<int64_t>(value);
  }
  field.remove_prefix(std::min(field.find_first_not_of(" \t"), field.size()));
  int64_t value = 0;
  std::from_chars(field.data(), field.data() + field.size(), value, 8);
  return value;
}

// "24 size=1234567890123\n": pax(1), "pax Header Block".
struct Record {
  std::string_view key, value;
};

bool next_record(std::string_view& text, Record& out) {
  size_t length = 0;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  auto digits = static_cast<size_t>(stop - text.data());
  if (error != std::errc() || length > text.size() || length < digits + 2 || *stop != ' ')
    return false;
  std::string_view record = text.substr(digits + 1, length - digits - 2);
  text.remove_prefix(length);
  size_t equals = record.find('=');
  if (equals == std::string_view::npos) return false;
  out = {record.substr(0, equals), record.substr(equals + 1)};
  return true;
}

// They have no body, whatever their size says; only a hard link may have one, which nothing but the
// block behind it would tell.
bool is_bodiless(char type) { return type >= '1' && type <= '6'; }

// They are about the member that comes next.
bool is_extension(char type) { return std::string_view("xXgLKAV").contains(type); }

}  // namespace

void TarSplitter::feed(std::string_view piece) {
  while (!piece.empty()) {
    size_t taken = piece.size();
    if (state_ == State::rest) {
      parts_.raw(piece);
    } else if (state_ == State::header || state_ == State::sparse_map) {
      taken = take_block(piece);
    } else {
      taken = take_body(piece);
    }
    position_ += static_cast<int64_t>(taken);
    piece.remove_prefix(taken);
  }
}

size_t TarSplitter::take_block(std::string_view piece) {
  size_t taken = std::min(piece.size(), kBlock - block_.size());
  if (state_ == State::header && member_ < 0) member_ = position_;
  parts_.raw(piece.substr(0, taken));
  block_ += piece.substr(0, taken);
  if (block_.size() < kBlock) return taken;
  std::string block = std::exchange(block_, {});
  if (state_ == State::header) {
    header(block);
  } else if (block[504] == 0) {  // the map's last block
    begin(mapped_, State::raw);
  }
  return taken;
}

void TarSplitter::header(std::string_view block) {
  type_ = block[156];
  bool extends = is_extension(type_);
  int64_t size = size_field(block);
  if (size_ && !extends) size = *size_;
  bool end = block.find_first_not_of('\0') == std::string_view::npos;
  if (end || size < 0 || size > kMaxSize || (is_bodiless(type_) && size != 0)) {
    state_ = State::rest;
  } else if (type_ == 'S' && block[482] != 0) {  // more of the map of holes comes before the body
    mapped_ = size;
    state_ = State::sparse_map;
  } else {
    bool plain = (type_ == '0' || type_ == '\0') && !sparse_ && size > 0;
    if (plain) parts_.body(member_, size);
    begin(size, plain ? State::body : State::raw);
  }
}

void TarSplitter::begin(int64_t size, State body) {
  constexpr auto kUnit = static_cast<int64_t>(kBlock);
  body_ = size;
  padding_ = (kUnit - size % kUnit) % kUnit;
  state_ = body;
  if (body_ == 0) end_of_body();
}

size_t TarSplitter::take_body(std::string_view piece) {
  int64_t& left = body_ > 0 ? body_ : padding_;
  auto taken = static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(piece.size())));
  std::string_view bytes = piece.substr(0, taken);
  if (body_ == 0 || state_ == State::raw) parts_.raw(bytes);
  bool pax = type_ == 'x' || type_ == 'X';
  if (body_ > 0 && pax && extension_.size() < kMaxExtension) extension_ += bytes;
  left -= static_cast<int64_t>(taken);
  if (body_ == 0 && padding_ == 0) end_of_body();
  return taken;
}

void TarSplitter::end_of_body() {
  state_ = State::header;
  if (is_extension(type_)) return read_extension();
  member_ = -1;
  size_.reset();
  sparse_ = false;
}

void TarSplitter::read_extension() {
  std::string text = std::exchange(extension_, {});
  std::string_view left = text;
  for (Record record; next_record(left, record);) {
    if (record.key == "size") {
      int64_t size = -1;
      const char* end = record.value.data() + record.value.size();
      auto [stop, error] = std::from_chars(record.value.data(), end, size);
      size_ = error == std::errc() && stop == end ? size : -1;  // -1: raw to the end
    }
    if (record.key.starts_with("GNU.sparse.") || record.key.starts_with("SUN.holes"))
      sparse_ = true;
  }
}

}  // namespace pcompose::engine
