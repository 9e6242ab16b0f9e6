#include "engine/quota.h"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "engine/file_system.h"

namespace pcompose::engine {
namespace {

// ioctl_xfs_fsgetxattr(2): what is made beneath belongs to the project, too.
bool join_project(int directory, uint32_t project) {
  fsxattr attributes{};
  if (::ioctl(directory, FS_IOC_FSGETXATTR, &attributes) != 0) return false;
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  return ::ioctl(directory, FS_IOC_FSSETXATTR, &attributes) == 0;
}

// quotactl(2); the call by a descriptor is of Linux 5.14.
bool set_limit(int directory, uint32_t project, uint64_t bytes) {
  if_dqblk limit{};
  limit.dqb_bhardlimit = limit.dqb_bsoftlimit = (bytes + QIF_DQBLKSIZE - 1) / QIF_DQBLKSIZE;
  limit.dqb_valid = QIF_BLIMITS;
  unsigned command = QCMD(static_cast<unsigned>(Q_SETQUOTA), static_cast<unsigned>(PRJQUOTA));
  return ::syscall(SYS_quotactl_fd, directory, command, project, &limit) == 0;
}

}  // namespace

void limit_space(const std::vector<std::string>& directories, uint32_t project, uint64_t bytes) {
  for (const std::string& path : directories) {
    Fd directory = open_file(path, O_RDONLY | O_DIRECTORY);
    if (join_project(directory.get(), project) && set_limit(directory.get(), project, bytes))
      continue;
    int reason = errno;
    throw Error("limit the space of " + path + ", which is on " + file_system_of(path), reason)
        .hint(
            "as root, on ext4 (made with -O quota,project) or xfs that is mounted with prjquota; "
            "or remove storage_opt");
  }
}

}  // namespace pcompose::engine
