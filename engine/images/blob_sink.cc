#include "engine/images/blob_sink.h"

#include <cerrno>
#include <exception>
#include <fcntl.h>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

[[noreturn]] void wrong_size(const std::string& path, uint64_t expected, uint64_t found) {
  throw Error(fmt::format("{}: expected {} bytes, found {}", path, expected, found));
}

class DirectorySink final : public BlobSink {
 public:
  explicit DirectorySink(Fd directory) : directory_(std::move(directory)) {}
  void put(const std::string& path, uint64_t size, ByteStream& content) override {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      std::string parent = path.substr(0, slash);
      if (::mkdirat(directory_.get(), parent.c_str(), 0755) != 0 && errno != EEXIST)
        throw Error::from_errno("make the directory " + parent);
    }
    Fd file = open_within(directory_.get(), path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                          Resolve::no_links, 0644);
    uint64_t written = 0;
    for (std::string_view piece = content.next(); !piece.empty(); piece = content.next()) {
      write_all(file.get(), piece);
      written += piece.size();
    }
    if (written != size) wrong_size(path, size, written);
  }
  void finish() override {
    if (::syncfs(directory_.get()) != 0) throw Error::from_errno("write to the disk");
  }

 private:
  Fd directory_;
};

class ArchiveSink final : public BlobSink {
 public:
  explicit ArchiveSink(Fd file) : file_(std::move(file)), archive_(::archive_write_new()) {
    if (!archive_) throw Error("libarchive does not start");
    archive* a = archive_.get();
    ::archive_write_set_format_pax_restricted(a);
    // A whole block at the end also where nobody reads blocks.
    ::archive_write_set_bytes_per_block(a, 256 << 10);
    ::archive_write_set_bytes_in_last_block(a, 1);
    check(::archive_write_open2(a, this, nullptr, &ArchiveSink::write_piece, nullptr, nullptr));
  }
  void put(const std::string& path, uint64_t size, ByteStream& content) override;
  void finish() override {
    check(::archive_write_close(archive_.get()));
    // A pipe has no disk.
    if (::fsync(file_.get()) != 0 && errno != EINVAL && errno != EROFS)
      throw Error::from_errno("write to the disk");
  }

 private:
  struct Free {
    void operator()(archive* a) const { ::archive_write_free(a); }
    void operator()(archive_entry* e) const { ::archive_entry_free(e); }
  };

  static la_ssize_t write_piece(archive* a, void* self, const void* data, size_t size) {
    auto* sink = static_cast<ArchiveSink*>(self);
    try {
      write_all(sink->file_.get(), {static_cast<const char*>(data), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      sink->thrown_ = std::current_exception();
      ::archive_set_error(a, EIO, "the file cannot be written");
      return -1;
    }
  }
  void check(int result) {
    if (thrown_) std::rethrow_exception(thrown_);
    if (result >= ARCHIVE_WARN) return;
    const char* why = ::archive_error_string(archive_.get());
    throw Error("write an archive: " + (why == nullptr ? "unknown error" : std::string(why)));
  }

  void put_parents(const std::string& path);
  std::unique_ptr<archive_entry, Free> make_entry(const std::string& path, unsigned type,
                                                  unsigned mode);

  Fd file_;
  std::set<std::string> directories_;
  std::exception_ptr thrown_;  // exceptions cannot pass through C
  std::unique_ptr<archive, Free> archive_;
};

std::unique_ptr<archive_entry, ArchiveSink::Free> ArchiveSink::make_entry(const std::string& path,
                                                                          unsigned type,
                                                                          unsigned mode) {
  std::unique_ptr<archive_entry, Free> entry(::archive_entry_new());
  ::archive_entry_copy_pathname(entry.get(), path.c_str());
  ::archive_entry_set_filetype(entry.get(), type);
  ::archive_entry_set_perm(entry.get(), mode);
  ::archive_entry_set_mtime(entry.get(), 0, 0);  // the same image makes the same archive
  return entry;
}

// skopeo and podman give a directory that has no entry to root, which an ordinary user cannot.
void ArchiveSink::put_parents(const std::string& path) {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    std::string parent = path.substr(0, slash + 1);
    if (!directories_.insert(parent).second) continue;
    auto entry = make_entry(parent, AE_IFDIR, 0755);
    check(::archive_write_header(archive_.get(), entry.get()));
  }
}

void ArchiveSink::put(const std::string& path, uint64_t size, ByteStream& content) {
  put_parents(path);
  auto entry = make_entry(path, AE_IFREG, 0644);
  ::archive_entry_set_size(entry.get(), static_cast<la_int64_t>(size));
  check(::archive_write_header(archive_.get(), entry.get()));
  uint64_t written = 0;
  for (std::string_view piece = content.next(); !piece.empty(); piece = content.next()) {
    written += piece.size();
    if (written > size) break;
    la_ssize_t taken = ::archive_write_data(archive_.get(), piece.data(), piece.size());
    check(taken < 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
  }
  if (written != size) wrong_size(path, size, written);
}

}  // namespace

void BlobSink::put(const std::string& path, std::string_view text) {
  MemoryStream stream(text);
  put(path, text.size(), stream);
}

std::unique_ptr<BlobSink> directory_sink(Fd directory) {
  return std::make_unique<DirectorySink>(std::move(directory));
}

std::unique_ptr<BlobSink> archive_sink(Fd file) {
  return std::make_unique<ArchiveSink>(std::move(file));
}

}  // namespace pcompose::engine
