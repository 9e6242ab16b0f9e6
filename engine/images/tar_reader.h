// Entries of a tar stream, by libarchive.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>

#include "engine/images/stream.h"

namespace pcompose::engine {

enum class EntryType {
  file,
  directory,
  symlink,
  hard_link,
  fifo,
  char_device,
  block_device,
  other
};

struct TarEntry {
  std::string path;
  EntryType type = EntryType::file;
  std::string target;  // of a link
  mode_t mode = 0;     // permission bits, with set-user-id, set-group-id and sticky
  int64_t uid = 0;
  int64_t gid = 0;
  int64_t size = 0;
  timespec mtime{};
  dev_t device = 0;
  std::vector<std::pair<std::string, std::string>> attributes;
};

// A piece of a file; what lies between pieces is a hole.
struct TarData {
  std::string_view bytes;
  int64_t offset = 0;
};

class TarReader {
 public:
  // Reads ustar, pax and GNU tar. `source` outlives the reader. Throws Error.
  explicit TarReader(ByteStream& source);
  // Goes to the next entry; false at the end. Throws Error on damage, or what the source threw.
  bool next();
  [[nodiscard]] const TarEntry& entry() const { return entry_; }
  // The next piece of the entry's data; false at its end.
  bool data(TarData& piece);
  // Where the entry's headers begin in the stream.
  [[nodiscard]] int64_t position() const;

 private:
  struct Free {
    void operator()(archive* a) const { ::archive_read_free(a); }
  };
  static la_ssize_t read_piece(archive* a, void* self, const void** out);
  static la_int64_t skip_bytes(archive* a, void* self, la_int64_t bytes);
  [[noreturn]] void fail();
  void take(archive_entry* entry);

  ByteStream& source_;
  std::exception_ptr thrown_;  // by the source: exceptions cannot pass through C
  std::unique_ptr<archive, Free> archive_;
  TarEntry entry_;
};

}  // namespace pcompose::engine
