#include "volumes/copy_file.h"

#include <cerrno>
#include <string_view>
#include <sys/xattr.h>
#include <unistd.h>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pcompose::volumes {
namespace {

constexpr size_t kChunk = 1U << 20U;
constexpr size_t kRange = 1U << 30U;

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
  for (;;) {
    ssize_t n = ::copy_file_range(from, nullptr, to, nullptr, kRange, 0);
    if (n > 0) continue;
    // 0 is the end, or a file system that says so of files whose size it does not know: reading
    // tells.
    if (n == 0 || errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
        errno == EPERM) {
      return copy_by_hand(from, to);
    }
    if (errno != EINTR) throw Error::from_errno("copy_file_range");
  }
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

}  // namespace pcompose::volumes
