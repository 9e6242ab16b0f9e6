#include "base/fd.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

namespace pcompose {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd Fd::duplicate() const {
  int copy = ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw Error::from_errno("duplicate a descriptor");
  return Fd(copy);
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  return open_at(AT_FDCWD, path, flags, mode);
}

Fd open_at(int dir, const std::string& path, int flags, mode_t mode) {
  int fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) throw Error::from_errno("open " + path);
  return Fd(fd);
}

Fd open_within(int root, const std::string& path, int flags, Resolve how, mode_t mode) {
  open_how request{};
  request.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  request.mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0;
  request.resolve =
      (how == Resolve::in_root ? RESOLVE_IN_ROOT : RESOLVE_BENEATH) | RESOLVE_NO_MAGICLINKS;
  if (how == Resolve::no_links) request.resolve |= RESOLVE_NO_SYMLINKS;
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, root, path.c_str(), &request, sizeof request);
  } while (fd < 0 && errno == EAGAIN);  // a rename raced with the walk: openat2(2)
  if (fd < 0) throw Error::from_errno("open " + path);
  return Fd(static_cast<int>(fd));
}

std::string read_all(int fd, size_t limit) {
  std::string out;
  std::array<char, 65536> buffer;
  for (;;) {
    ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("read");
    if (n == 0) return out;
    if (out.size() + static_cast<size_t>(n) > limit) throw Error("read", EFBIG);
    out.append(buffer.data(), static_cast<size_t>(n));
  }
}

std::string read_file(const std::string& path, size_t limit) {
  Fd fd = open_file(path, O_RDONLY);
  try {
    return read_all(fd.get(), limit);
  } catch (Error& e) {
    throw e.add(path);
  }
}

void write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    ssize_t n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw Error::from_errno("write");
    data.remove_prefix(static_cast<size_t>(n));
  }
}

void replace_file(const std::string& path, std::string_view data, mode_t mode) {
  std::string fresh = path + ".new";
  Fd fd = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC, mode);
  write_all(fd.get(), data);
  if (::rename(fresh.c_str(), path.c_str()) != 0) throw Error::from_errno("rename " + fresh);
}

}  // namespace pcompose
