#include "engine/images/document_store.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/bounds.h"

namespace pcompose::engine {
namespace {

constexpr const char* kName = "documents";

std::string unfinished(const std::string& digest) { return ".tmp-" + digest; }

bool is_still(int file, int directory, const std::string& name) {
  struct stat ours{}, named{};
  if (::fstat(file, &ours) != 0) throw Error::from_errno("fstat");
  if (::fstatat(directory, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0) return false;
  return ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

}  // namespace

DocumentStore::DocumentStore(const Fd& state) {
  if (::mkdirat(state.get(), kName, 0700) != 0 && errno != EEXIST)
    throw Error::from_errno("make the directory documents");
  directory_ = open_at(state.get(), kName, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

std::optional<std::string> DocumentStore::find(const std::string& digest) const {
  Fd file(::openat(directory_.get(), digest.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::nullopt;
    throw Error::from_errno("open the document " + digest);
  }
  std::string text = read_all(file.get(), kMaxDocument);
  if (sha256_hex(text) != digest) return std::nullopt;
  return text;
}

Fd DocumentStore::claim(const std::string& digest) const {
  std::string name = unfinished(digest);
  for (;;) {
    Fd file = open_at(directory_.get(), name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
    while (::flock(file.get(), LOCK_EX) != 0) {
      if (errno != EINTR) throw Error::from_errno("lock a document");
    }
    // Whoever held it before us may have finished: then the file has its real name now.
    if (find(digest)) return {};
    if (is_still(file.get(), directory_.get(), name)) return file;
  }
}

void DocumentStore::put(const Fd& claim, const std::string& digest, const std::string& text) const {
  if (::ftruncate(claim.get(), 0) != 0) throw Error::from_errno("write a document");
  write_all(claim.get(), text);
  if (::fsync(claim.get()) != 0) throw Error::from_errno("write a document to the disk");
  if (::renameat(directory_.get(), unfinished(digest).c_str(), directory_.get(), digest.c_str()) !=
      0)
    throw Error::from_errno("rename the document " + digest);
  if (::fsync(directory_.get()) != 0) throw Error::from_errno("write a document to the disk");
}

void DocumentStore::keep(const std::string& digest, const std::string& text) const {
  if (find(digest)) return;
  Fd right = claim(digest);
  if (right) put(right, digest, text);
}

}  // namespace pcompose::engine
