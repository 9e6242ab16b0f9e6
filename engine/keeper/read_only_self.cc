#include "engine/keeper/read_only_self.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/launch/kernel_abi.h"

namespace pcompose::keeper {

int execute_from_read_only_mount(char** argv, char** envp) {
  struct statvfs where{};
  if (statvfs("/proc/self/exe", &where) != 0) return errno;
  if ((where.f_flag & ST_RDONLY) != 0) return 0;
  char path[4096];
  ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
  if (length <= 0) return errno;
  path[length] = 0;
  // The directory is cloned, not the file, so that /proc/PID/exe still says our name.
  char* name = strrchr(path, '/');
  if (name == nullptr) return ENOENT;
  *name++ = 0;
  unsigned flags = launch::kOpenTreeClone | O_CLOEXEC;
  int tree = static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, path[0] == 0 ? "/" : path, flags));
  if (tree < 0) return errno;
  launch::MountAttributes attributes{};
  attributes.set = launch::kAttrReadOnly;
  if (syscall(SYS_mount_setattr, tree, "", launch::kAtEmptyPath, &attributes, sizeof attributes) ==
      0)
    syscall(SYS_execveat, tree, name, argv, envp, 0);
  int error = errno;
  close(tree);
  return error;
}

}  // namespace pcompose::keeper
