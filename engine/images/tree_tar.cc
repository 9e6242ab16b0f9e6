#include "engine/images/tree_tar.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <climits>

#include "base/directory.h"
#include "base/error.h"
#include "engine/images/bounds.h"

namespace pcompose::engine {
namespace {

class TreeTar final : public ByteStream {
 public:
  TreeTar(Fd directory, TreePart part)
      : root_(std::move(directory)), part_(std::move(part)), archive_(::archive_write_new()) {
    if (!archive_) throw Error("libarchive does not start");
    ::archive_write_set_format_pax_restricted(archive_.get());
    ::archive_write_set_bytes_per_block(archive_.get(), 0);
    ::archive_write_open2(archive_.get(), this, nullptr, &TreeTar::take, nullptr, nullptr);
    struct stat status{};
    if (::fstat(root_.get(), &status) != 0) throw Error::from_errno("fstat");
    device_ = status.st_dev;
    if (part_.name.empty()) {
      list("");
    } else {
      left_.push_back(part_.name);
    }
  }

  std::string_view next() override {
    out_.clear();
    while (out_.empty() && !closed_) step();
    return out_;
  }

 private:
  struct Free {
    void operator()(archive* a) const { ::archive_write_free(a); }
    void operator()(archive_entry* e) const { ::archive_entry_free(e); }
  };

  static la_ssize_t take(archive* /*a*/, void* self, const void* data, size_t size) {
    static_cast<TreeTar*>(self)->out_.append(static_cast<const char*>(data), size);
    return static_cast<la_ssize_t>(size);
  }
  void check(int result) {
    if (result >= ARCHIVE_WARN) return;
    const char* why = ::archive_error_string(archive_.get());
    throw Error("pack a directory: " + (why == nullptr ? "unknown error" : std::string(why)));
  }

  void step();
  void list(const std::string& directory);
  void begin(const std::string& path);
  void attributes(archive_entry* entry, const Fd& parent, const std::string& name);
  void copy_body();
  [[nodiscard]] std::string shown(const std::string& path) const {
    return part_.name.empty() ? path : part_.as + path.substr(part_.name.size());
  }

  Fd root_;
  TreePart part_;
  dev_t device_ = 0;
  std::unique_ptr<archive, Free> archive_;
  std::string out_;
  std::vector<std::string> left_;  // paths, the next one last
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;
  Fd body_;
  uint64_t body_left_ = 0;
  bool closed_ = false;
};

void TreeTar::list(const std::string& directory) {
  Fd fd = directory.empty()
              ? root_.duplicate()
              : open_within(root_.get(), directory, O_RDONLY | O_DIRECTORY, Resolve::no_links);
  std::vector<std::string> names = directory_entries(fd.get());
  std::ranges::sort(names, std::ranges::greater());
  for (const std::string& name : names)
    left_.push_back(directory.empty() ? name : directory + "/" + name);
}

void TreeTar::step() {
  if (body_left_ > 0) return copy_body();
  body_.reset();
  if (left_.empty()) {
    check(::archive_write_close(archive_.get()));
    closed_ = true;
    return;
  }
  std::string path = std::move(left_.back());
  left_.pop_back();
  begin(path);
}

void TreeTar::attributes(archive_entry* entry, const Fd& parent, const std::string& name) {
  // O_PATH has no attributes, its name in /proc has; landlock keeps us from that.
  Fd fd(::openat(parent.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return;
  std::vector<char> names(XATTR_LIST_MAX), value(XATTR_SIZE_MAX);
  ssize_t size = ::flistxattr(fd.get(), names.data(), names.size());
  for (ssize_t at = 0; at < size;) {
    const char* attribute = names.data() + at;
    at += static_cast<ssize_t>(std::strlen(attribute)) + 1;
    ssize_t n = ::fgetxattr(fd.get(), attribute, value.data(), value.size());
    if (n >= 0)
      ::archive_entry_xattr_add_entry(entry, attribute, value.data(), static_cast<size_t>(n));
  }
}

void TreeTar::begin(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  Fd parent = slash == std::string::npos ? root_.duplicate()
                                         : open_within(root_.get(), path.substr(0, slash),
                                                       O_PATH | O_DIRECTORY, Resolve::no_links);
  struct stat status{};
  if (::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("stat " + path);
  if (S_ISSOCK(status.st_mode)) return;
  status.st_uid = id_inside(part_.ids.uids, status.st_uid);
  status.st_gid = id_inside(part_.ids.gids, status.st_gid);
  std::unique_ptr<archive_entry, Free> entry(::archive_entry_new());
  ::archive_entry_copy_stat(entry.get(), &status);
  ::archive_entry_copy_pathname(entry.get(), shown(path).c_str());
  if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) attributes(entry.get(), parent, name);
  if (S_ISLNK(status.st_mode)) {
    char target[PATH_MAX + 1] = {};
    if (::readlinkat(parent.get(), name.c_str(), target, PATH_MAX) < 0)
      throw Error::from_errno("readlink " + path);
    ::archive_entry_copy_symlink(entry.get(), target);
  }
  bool fresh = true;
  if (!S_ISDIR(status.st_mode) && status.st_nlink > 1) {
    auto [known, added] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
    fresh = added;
    if (!added) ::archive_entry_copy_hardlink(entry.get(), shown(known->second).c_str());
  }
  if (!S_ISREG(status.st_mode) || !fresh) ::archive_entry_set_size(entry.get(), 0);
  check(::archive_write_header(archive_.get(), entry.get()));
  if (S_ISDIR(status.st_mode) && (!part_.one_file_system || status.st_dev == device_)) list(path);
  if (!S_ISREG(status.st_mode) || !fresh) return;
  body_ = open_at(parent.get(), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  body_left_ = static_cast<uint64_t>(status.st_size);
}

void TreeTar::copy_body() {
  std::vector<char> buffer(std::min<uint64_t>(body_left_, kPiece));
  ssize_t n = ::read(body_.get(), buffer.data(), buffer.size());
  if (n < 0 && errno == EINTR) return;
  if (n < 0) throw Error::from_errno("read");
  if (n == 0) throw Error("a file becomes shorter while it is read");
  body_left_ -= static_cast<uint64_t>(n);
  check(static_cast<int>(std::min<la_ssize_t>(
      ::archive_write_data(archive_.get(), buffer.data(), static_cast<size_t>(n)), 0)));
}

}  // namespace

std::unique_ptr<ByteStream> tar_of_tree(Fd directory) {
  return std::make_unique<TreeTar>(std::move(directory), TreePart{});
}

std::unique_ptr<ByteStream> tar_of_part(Fd directory, TreePart part) {
  return std::make_unique<TreeTar>(std::move(directory), std::move(part));
}

}  // namespace pcompose::engine
