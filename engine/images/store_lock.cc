#include "engine/images/store_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

Fd open_lock(const std::string& state) {
  return open_file(state + "/images.lock", O_RDWR | O_CREAT, 0600);
}

}  // namespace

StoreLock::StoreLock(const std::string& state, Kind kind) : file_(open_lock(state)) {
  while (::flock(file_.get(), kind == Kind::shared ? LOCK_SH : LOCK_EX) != 0) {
    if (errno != EINTR) throw Error::from_errno("lock the store of images");
  }
}

std::optional<StoreLock> StoreLock::try_exclusive(const std::string& state) {
  Fd file = open_lock(state);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return StoreLock(std::move(file));
  if (errno == EWOULDBLOCK) return std::nullopt;
  throw Error::from_errno("lock the store of images");
}

}  // namespace pcompose::engine
