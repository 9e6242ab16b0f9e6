#include "engine/runtime/device_nodes.h"

#include <algorithm>
#include <exception>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.h"
#include "engine/container_ids.h"
#include "engine/launch/kernel_abi.h"
#include "engine/rootless/own_ids.h"

namespace pcompose::engine::runtime {
namespace {

// A mount namespace of our own as long as this lives, for a program of one thread: before
// Linux 6.15 nothing can be cloned out of a mount that is attached nowhere (open_tree(2): EINVAL).
class OwnMounts {
 public:
  OwnMounts()
      : space_(open_file("/proc/self/ns/mnt", O_RDONLY)),
        root_(open_file("/", O_PATH | O_DIRECTORY)),
        here_(open_file(".", O_PATH | O_DIRECTORY)) {
    if (::unshare(CLONE_NEWNS) != 0) throw Error::from_errno("make a mount namespace");
    ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  }
  OwnMounts(const OwnMounts&) = delete;
  OwnMounts& operator=(const OwnMounts&) = delete;
  ~OwnMounts() {
    // Entering one changes both directories (setns(2)). Somewhere else nothing of ours is true.
    bool back = ::setns(space_.get(), CLONE_NEWNS) == 0 && ::fchdir(root_.get()) == 0 &&
                ::chroot(".") == 0 && ::fchdir(here_.get()) == 0;
    if (!back) std::terminate();
  }

 private:
  Fd space_, root_, here_;
};

// A mount on nothing that anybody sees: fsopen(2), fsmount(2), move_mount(2).
Fd new_tmpfs() {
  Fd fs(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", 1U /* FSOPEN_CLOEXEC */)));
  if (!fs) throw Error::from_errno("open a tmpfs");
  if (::syscall(SYS_fsconfig, fs.get(), launch::kFsConfigCreate, nullptr, nullptr, 0) != 0)
    throw Error::from_errno("make a tmpfs");
  Fd mount(static_cast<int>(::syscall(SYS_fsmount, fs.get(), 1U, 0U)));
  if (!mount ||
      ::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, "/", launch::kMoveFromEmptyPath) != 0)
    throw Error::from_errno("mount a tmpfs");
  return mount;
}

Fd make_node(int directory, const std::string& name, const Device& d, uint32_t uid, uint32_t gid) {
  mode_t type = d.type == 'b' ? S_IFBLK : S_IFCHR;
  if (::mknodat(directory, name.c_str(), type | d.mode, makedev(d.major, d.minor)) != 0 ||
      ::fchmodat(directory, name.c_str(), d.mode, 0) != 0 ||  // the umask is not the container's
      ::fchownat(directory, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0)
    throw Error::from_errno("linux.devices: make " + d.path);
  constexpr unsigned kFlags = launch::kOpenTreeClone | O_CLOEXEC;
  Fd tree(static_cast<int>(::syscall(SYS_open_tree, directory, name.c_str(), kFlags)));
  if (!tree) throw Error::from_errno("linux.devices: take " + d.path);
  return tree;
}

}  // namespace

void make_device_nodes(Bundle& b) {
  Linux& linux = b.spec.linux;
  if ((linux.new_namespaces & CLONE_NEWUSER) == 0 || ::geteuid() != 0 ||
      rootless::in_user_namespace())
    return;
  auto is_node = [](const Device& d) { return d.type != 'p'; };
  if (std::ranges::none_of(linux.devices, is_node)) return;
  OwnMounts mounts;
  Fd directory = new_tmpfs();
  for (size_t i = 0; i < linux.devices.size(); ++i) {
    Device& d = linux.devices[i];
    if (!is_node(d)) continue;
    auto uid = id_outside(linux.uid_mappings, d.uid), gid = id_outside(linux.gid_mappings, d.gid);
    if (!uid || !gid) {
      throw Error(fmt::format("linux.devices[{}]: its owner {}:{} is not in the id mappings", i,
                              d.uid, d.gid));
    }
    b.held.push_back(make_node(directory.get(), std::to_string(i), d, *uid, *gid));
    d.tree = b.held.back().get();
  }
}

}  // namespace pcompose::engine::runtime
