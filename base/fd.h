// Owner of a file descriptor.
#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

namespace pcompose {

// Move-only owner of one descriptor. Everything we open is close-on-exec: a descriptor reaches
// another program only where it is handed over on purpose (SpawnOptions::fds, SCM_RIGHTS).
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  void reset();
  explicit operator bool() const { return fd_ >= 0; }
  // A close-on-exec duplicate. Throws Error (EMFILE).
  [[nodiscard]] Fd duplicate() const;

 private:
  int fd_ = -1;
};

// open(2) with O_CLOEXEC added. Throws Error naming the path.
Fd open_file(const std::string& path, int flags, mode_t mode = 0);
// openat(2) with O_CLOEXEC added. Throws Error naming the path.
Fd open_at(int dir, const std::string& path, int flags, mode_t mode = 0);
// openat2(2) with RESOLVE_BENEATH, or RESOLVE_IN_ROOT where the path may be absolute or hold links
// that are meant from `root` (a container's image), or without following any link at all (ELOOP).
// Never leaves `root`. Throws Error naming the path.
enum class Resolve { beneath, in_root, no_links };
Fd open_within(int root, const std::string& path, int flags, Resolve how, mode_t mode = 0);

// The whole file, at most `limit` bytes. Throws Error (EFBIG where it is longer).
std::string read_file(const std::string& path, size_t limit = 64U << 20U);
std::string read_all(int fd, size_t limit = 64U << 20U);
// write(2) until everything is out. Throws Error.
void write_all(int fd, std::string_view data);
// Writes beside and renames into place: a reader sees the old or the new content. Throws Error.
void replace_file(const std::string& path, std::string_view data, mode_t mode = 0644);

}  // namespace pcompose
