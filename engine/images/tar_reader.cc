#include "engine/images/tar_reader.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

EntryType type_of(archive_entry* entry) {
  if (::archive_entry_hardlink(entry) != nullptr) return EntryType::hard_link;
  switch (::archive_entry_filetype(entry)) {
    case AE_IFREG:
      return EntryType::file;
    case AE_IFDIR:
      return EntryType::directory;
    case AE_IFLNK:
      return EntryType::symlink;
    case AE_IFIFO:
      return EntryType::fifo;
    case AE_IFCHR:
      return EntryType::char_device;
    case AE_IFBLK:
      return EntryType::block_device;
    default:
      return EntryType::other;
  }
}

std::string text(const char* value) { return value == nullptr ? "" : value; }

}  // namespace

TarReader::TarReader(ByteStream& source) : source_(source), archive_(::archive_read_new()) {
  if (!archive_) throw Error("libarchive does not start");
  archive* a = archive_.get();
  ::archive_read_support_filter_none(a);
  ::archive_read_support_format_tar(a);
  ::archive_read_support_format_empty(a);
  ::archive_read_set_callback_data(a, this);
  ::archive_read_set_read_callback(a, &TarReader::read_piece);
  ::archive_read_set_skip_callback(a, &TarReader::skip_bytes);
  if (::archive_read_open1(a) < ARCHIVE_WARN) fail();
}

la_ssize_t TarReader::read_piece(archive* a, void* self, const void** out) {
  auto* reader = static_cast<TarReader*>(self);
  try {
    std::string_view piece = reader->source_.next();
    *out = piece.data();
    return static_cast<la_ssize_t>(piece.size());
  } catch (...) {
    reader->thrown_ = std::current_exception();
    ::archive_set_error(a, EIO, "the source failed");
    return ARCHIVE_FATAL;
  }
}

la_int64_t TarReader::skip_bytes(archive* /*a*/, void* self, la_int64_t bytes) {
  return static_cast<TarReader*>(self)->source_.skip(bytes);
}

void TarReader::fail() {
  if (thrown_) std::rethrow_exception(thrown_);
  const char* why = ::archive_error_string(archive_.get());
  throw Error("the tar archive is damaged: " +
              (why == nullptr ? "unknown error" : std::string(why)));
}

bool TarReader::next() {
  archive_entry* entry = nullptr;
  int result = ::archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return false;
  // A warning is about a name that is no UTF-8: the bytes are taken as they are.
  if (result < ARCHIVE_WARN) fail();
  take(entry);
  return true;
}

void TarReader::take(archive_entry* entry) {
  entry_ = TarEntry();
  entry_.path = text(::archive_entry_pathname(entry));
  entry_.type = type_of(entry);
  entry_.target = entry_.type == EntryType::hard_link ? text(::archive_entry_hardlink(entry))
                                                      : text(::archive_entry_symlink(entry));
  entry_.mode = ::archive_entry_perm(entry) & 07777U;
  entry_.uid = ::archive_entry_uid(entry);
  entry_.gid = ::archive_entry_gid(entry);
  entry_.size = ::archive_entry_size_is_set(entry) != 0 ? ::archive_entry_size(entry) : 0;
  entry_.mtime.tv_sec = ::archive_entry_mtime(entry);
  entry_.mtime.tv_nsec = std::clamp<long>(::archive_entry_mtime_nsec(entry), 0, 999'999'999);
  entry_.device = ::archive_entry_rdev(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  size_t size = 0;
  for (::archive_entry_xattr_reset(entry);
       ::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK;) {
    if (name == nullptr) continue;
    entry_.attributes.emplace_back(name, std::string(static_cast<const char*>(value), size));
  }
}

bool TarReader::data(TarData& piece) {
  const void* bytes = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  int result = ::archive_read_data_block(archive_.get(), &bytes, &size, &offset);
  if (result == ARCHIVE_EOF) return false;
  if (result < ARCHIVE_WARN) fail();
  piece = {{static_cast<const char*>(bytes), size}, offset};
  return true;
}

int64_t TarReader::position() const { return ::archive_read_header_position(archive_.get()); }

}  // namespace pcompose::engine
