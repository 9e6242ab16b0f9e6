#include "netns/run_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"

namespace pcompose::netns {

Fd lock_networks(const Roots& roots, Hold hold) {
  Fd fd = open_file(roots.run + "/networks.lock", O_RDWR | O_CREAT, 0600);
  int result = 0;
  do {
    result = ::flock(fd.get(), hold == Hold::exclusive ? LOCK_EX : LOCK_SH);
  } while (result != 0 && errno == EINTR);
  if (result != 0) throw Error::from_errno("lock the networks of " + roots.run);
  return fd;
}

}  // namespace pcompose::netns
