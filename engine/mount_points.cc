#include "engine/mount_points.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/roots.h"

namespace pcompose::engine {
namespace {

// Whatever the umask is: a container's users see it.
void set_mode(const std::string& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) != 0) throw Error::from_errno("chmod " + path);
}

}  // namespace

void make_mount_points(const std::string& state) {
  std::string root = state + "/cache/mount-points";
  const std::string last = root + "/etc/resolv.conf";
  if (::access(last.c_str(), F_OK) == 0) return;
  for (const char* directory : {"", "/dev", "/proc", "/sys", "/etc"}) {
    make_directories(root + directory);
    set_mode(root + directory, 0755);
  }
  for (const std::string& file : {root + "/etc/hosts", root + "/etc/hostname", last}) {
    open_file(file, O_WRONLY | O_CREAT, 0644).reset();
    set_mode(file, 0644);
  }
}

}  // namespace pcompose::engine
