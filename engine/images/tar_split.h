// Where the bodies of files lie in a tar, so that all the rest can be kept and the tar made again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pcompose::engine {

// Told of all bytes of a tar, in order.
class TarParts {
 public:
  virtual ~TarParts() = default;
  // Headers, padding, what follows the end, and every body that is not simply a file's content.
  virtual void raw(std::string_view bytes) = 0;
  // `size` bytes of a regular file come next; they are not given. `position`: of the member's first
  // header in the tar, as TarReader::position().
  virtual void body(int64_t position, int64_t size) = 0;
};

// Looks at headers only as far as it has to: types and sizes (ustar, pax(1), GNU tar). What it does
// not understand is raw to the end, so that nothing is lost.
class TarSplitter {
 public:
  explicit TarSplitter(TarParts& parts) : parts_(parts) {}
  void feed(std::string_view piece);

 private:
  static constexpr size_t kBlock = 512;
  enum class State { header, sparse_map, body, raw, rest };

  size_t take_block(std::string_view piece);
  size_t take_body(std::string_view piece);
  void header(std::string_view block);
  void begin(int64_t size, State body);
  void end_of_body();
  void read_extension();

  TarParts& parts_;
  State state_ = State::header;
  std::string block_;      // what is gathered of it
  int64_t position_ = 0;   // in the tar
  int64_t member_ = -1;    // where its first header is; -1 before it
  int64_t body_ = 0;       // what is left of it
  int64_t padding_ = 0;    // behind the body
  int64_t mapped_ = 0;     // the body behind a map of holes
  char type_ = '0';        // of the last header
  std::string extension_;  // a pax header's body
  // What pax headers say of the member that follows them.
  std::optional<int64_t> size_;
  bool sparse_ = false;
};

}  // namespace pcompose::engine
