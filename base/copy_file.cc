#include "base/copy_file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include <climits>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose {
namespace {

constexpr size_t kChunk = 128U << 10U;

void copy_by_hand(int from, int to) {
  std::vector<char> buffer(kChunk);
  for (;;) {
    ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read");
    if (n == 0) return;
    write_all(to, {buffer.data(), static_cast<size_t>(n)});
  }
}

// False where these two file systems cannot, or do not know their files' sizes.
bool copy_range(int from, int to, off_t begin, off_t end) {
  for (off_t in = begin, out = begin; in < end;) {
    ssize_t n = ::copy_file_range(from, &in, to, &out, static_cast<size_t>(end - in), 0);
    if (n > 0 || (n < 0 && errno == EINTR)) continue;
    if (n == 0 || errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
        errno == EPERM)
      return false;
    throw Error::from_errno("copy_file_range");
  }
  return true;
}

// Holes stay holes: lseek(2), SEEK_DATA.
bool copy_ranges(int from, int to) {
  struct stat status{};
  if (::fstat(from, &status) != 0 || status.st_size == 0) return false;
  for (off_t at = 0; (at = ::lseek(from, at, SEEK_DATA)) >= 0;) {
    off_t hole = ::lseek(from, at, SEEK_HOLE);
    if (hole < 0 || !copy_range(from, to, at, hole)) return false;
    at = hole;
  }
  return errno == ENXIO && ::ftruncate(to, status.st_size) == 0;
}

bool is_portable(std::string_view name) {
  if (name.starts_with("user.overlay.")) return false;  // means something to its layer only
  return name.starts_with("user.") || name == "security.capability" ||
         name == "system.posix_acl_access" || name == "system.posix_acl_default";
}

std::string attribute_names(int fd) {
  for (;;) {
    ssize_t size = ::flistxattr(fd, nullptr, 0);
    if (size < 0 && errno == ENOTSUP) return "";
    if (size < 0) throw Error::from_errno("list extended attributes");
    std::string names(static_cast<size_t>(size), '\0');
    size = ::flistxattr(fd, names.data(), names.size());
    if (size < 0 && errno == ERANGE) continue;  // one was added meanwhile
    if (size < 0) throw Error::from_errno("list extended attributes");
    names.resize(static_cast<size_t>(size));
    return names;
  }
}

void copy_attribute(int from, int to, const std::string& name) {
  std::vector<char> value(64U << 10U);  // the most that there can be: xattr(7)
  ssize_t size = ::fgetxattr(from, name.c_str(), value.data(), value.size());
  if (size < 0 && (errno == ENODATA || errno == ENOTSUP)) return;
  if (size < 0) throw Error::from_errno("read the extended attribute " + name);
  if (::fsetxattr(to, name.c_str(), value.data(), static_cast<size_t>(size), 0) == 0) return;
  if (errno == ENOTSUP || errno == EPERM) return;
  throw Error::from_errno("set the extended attribute " + name);
}

}  // namespace

void copy_bytes(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0 || copy_ranges(from, to)) return;
  if (::lseek(from, 0, SEEK_SET) < 0 || ::lseek(to, 0, SEEK_SET) < 0 || ::ftruncate(to, 0) != 0)
    throw Error::from_errno("begin a copy again");
  copy_by_hand(from, to);
}

void copy_attributes(int from, int to) {
  std::string names = attribute_names(from);
  for (size_t at = 0; at < names.size();) {
    std::string name = names.c_str() + at;
    at += name.size() + 1;
    if (is_portable(name)) copy_attribute(from, to, name);
  }
}

void copy_status(int to, const struct stat& like, const std::string& name) {
  // The owner first: chown(2) takes set-user-id bits away.
  if (::fchown(to, like.st_uid, like.st_gid) != 0)
    throw Error::from_errno("set the owner of " + name);
  if (::fchmod(to, like.st_mode & 07777) != 0) throw Error::from_errno("set the mode of " + name);
  timespec times[2] = {like.st_atim, like.st_mtim};
  if (::futimens(to, times) != 0) throw Error::from_errno("set the times of " + name);
}

namespace {

void copy_regular(int from_directory, int to_directory, const std::string& name,
                  const struct stat& status) {
  // O_NONBLOCK: should it have become a FIFO since.
  Fd from = open_at(from_directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  struct stat now{};
  if (::fstat(from.get(), &now) != 0 || !S_ISREG(now.st_mode))
    throw Error("read " + name + ": it changes meanwhile");
  Fd to = open_at(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  copy_bytes(from.get(), to.get());
  copy_status(to.get(), status, name);
  copy_attributes(from.get(), to.get());  // after the owner: chown(2) drops file capabilities
}

void copy_link(int from, int to, const std::string& name, const struct stat& status) {
  std::array<char, PATH_MAX> target{};
  ssize_t size = ::readlinkat(from, name.c_str(), target.data(), target.size() - 1);
  if (size < 0) throw Error::from_errno("read the link " + name);
  if (::symlinkat(target.data(), to, name.c_str()) != 0)
    throw Error::from_errno("make the link " + name);
  timespec times[2] = {status.st_atim, status.st_mtim};
  if (::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::utimensat(to, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
    throw Error::from_errno("set the owner of " + name);
  }
}

void copy_node(int to, const std::string& name, const struct stat& status) {
  if (S_ISCHR(status.st_mode) && status.st_rdev == 0) return;  // an overlay's whiteout
  if (::mknodat(to, name.c_str(), (status.st_mode & S_IFMT) | 0600U, status.st_rdev) != 0) {
    if (errno == EPERM) return;  // a device, in a user namespace: mknod(2)
    throw Error::from_errno("make " + name);
  }
  if (::fchownat(to, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(to, name.c_str(), status.st_mode & 07777, 0) != 0) {
    throw Error::from_errno("set the owner of " + name);
  }
}

}  // namespace

void copy_entry(int from, int to, const std::string& name, const struct stat& status) {
  if (S_ISREG(status.st_mode)) copy_regular(from, to, name, status);
  if (S_ISLNK(status.st_mode)) copy_link(from, to, name, status);
  if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    copy_node(to, name, status);
}

}  // namespace pcompose
