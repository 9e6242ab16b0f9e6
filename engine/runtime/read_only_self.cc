#include "engine/runtime/read_only_self.h"

#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/launch/kernel_abi.h"

namespace pcompose::engine::runtime {
namespace {

bool is_read_only() {
  struct statvfs st{};
  return ::statvfs("/proc/self/exe", &st) == 0 && (st.f_flag & ST_RDONLY) != 0;
}

}  // namespace

void execute_from_read_only_mount(char** argv) {
  if (is_read_only()) {
    ::prctl(PR_SET_NAME, "pcompose-runtim");  // an execve(2) by descriptor names us by its number
    return;
  }
  // The link itself would be what is cloned: the file it leads to has a path of its own.
  std::string path(4096, '\0');
  ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return;
  path.resize(static_cast<size_t>(length));
  unsigned flags = launch::kOpenTreeClone | O_CLOEXEC;
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags)));
  if (!tree) return;
  launch::MountAttributes attributes{.set = launch::kAttrReadOnly};
  if (::syscall(SYS_mount_setattr, tree.get(), "", launch::kAtEmptyPath, &attributes,
                sizeof attributes) != 0)
    return;
  ::syscall(SYS_execveat, tree.get(), "", argv, environ, AT_EMPTY_PATH);
}

}  // namespace pcompose::engine::runtime
