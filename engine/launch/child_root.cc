// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "engine/launch/child_ops.h"
#include "engine/launch/kernel_abi.h"

namespace pcompose::launch {

int open_inside(const State& s, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  int base = s.root >= 0 ? s.root : open("/", O_PATH | O_CLOEXEC);
  long fd = -1;
  do {
    fd = syscall(SYS_openat2, base, path, &how, sizeof how);
  } while (fd < 0 && errno == EAGAIN);
  if (s.root < 0) {
    int keep = errno;
    close(base);
    errno = keep;
  }
  return static_cast<int>(fd);
}

int open_proc(const State& s, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  struct statfs st{};
  if (s.proc < 0 || fstatfs(s.proc, &st) != 0 || st.f_type != kProcMagic) {
    errno = ENOENT;
    return -1;
  }
  return static_cast<int>(syscall(SYS_openat2, s.proc, path, &how, sizeof how));
}

namespace {

// Opens the directory that holds `path` and says where the last name begins; parents are made.
int open_parent(const State& s, const char* path, const char** last);

}  // namespace

int make_directory(const State& s, const char* path) {
  int fd = open_inside(s, path, O_PATH | O_DIRECTORY);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (errno != ENOENT) return errno;
  const char* name = nullptr;
  int parent = open_parent(s, path, &name);
  if (parent < 0) return errno;
  int error = result(mkdirat(parent, name, 0755));
  close(parent);
  return error == EEXIST ? 0 : error;
}

namespace {

int open_parent(const State& s, const char* path, const char** last) {
  char parent[4096];
  size_t length = strlen(path);
  while (length > 1 && path[length - 1] == '/') --length;
  size_t slash = length;
  while (slash > 0 && path[slash - 1] != '/') --slash;
  if (length >= sizeof parent) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(parent, path, slash);
  parent[slash] = 0;
  *last = path + slash;
  if (slash <= 1) return open_inside(s, "/", O_PATH | O_DIRECTORY);
  int error = make_directory(s, parent);
  if (error != 0) {
    errno = error;
    return -1;
  }
  return open_inside(s, parent, O_PATH | O_DIRECTORY);
}

int take_root(State& s, const char* path) {
  s.root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return s.root < 0 ? errno : 0;
}

}  // namespace

int make_file(const State& s, const char* path) {
  int fd = open_inside(s, path, O_PATH);
  if (fd >= 0) {
    close(fd);
    return 0;
  }
  if (errno != ENOENT) return errno;
  const char* name = nullptr;
  int parent = open_parent(s, path, &name);
  if (parent < 0) return errno;
  fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  close(parent);
  return error == EEXIST ? 0 : error;
}

int move_onto(int tree, int target) {
  return result(
      syscall(SYS_move_mount, tree, "", target, "", kMoveFromEmptyPath | kMoveToEmptyPath));
}

int set_attributes(int tree, const MountAttributes& attributes, bool recursive) {
  unsigned flags = kAtEmptyPath | (recursive ? kAtRecursive : 0U);
  return result(syscall(SYS_mount_setattr, tree, "", flags, &attributes, sizeof(MountAttributes)));
}

void descriptor_path(int fd, char* path) {
  strcpy(path, "/proc/self/fd/");
  size_t at = strlen(path);
  char digits[12];
  int count = 0;
  for (int rest = fd; rest > 0 || count == 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  while (count > 0) path[at++] = digits[--count];
  path[at] = 0;
}

// Mounts beneath it are not taken along: they may be of file systems that cannot do it.
int do_idmap(const State& s, const Op& op) {
  int at = open(text(s, op.s1), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return errno;
  int tree =
      static_cast<int>(syscall(SYS_open_tree, at, "", kOpenTreeClone | kAtEmptyPath | O_CLOEXEC));
  MountAttributes shown{.set = kAttrIdmap,
                        .user_namespace = static_cast<uint64_t>(fd_of(s, op.fd))};
  int error = tree < 0 ? errno : set_attributes(tree, shown, false);
  if (error == 0) error = move_onto(tree, at);
  if (tree >= 0) close(tree);
  close(at);
  return error;
}

namespace {

// Overlayfs writes as who mounted it, and through idmapped layers only who has an id in the map can
// write: it is mounted as the container's root, with the rights of the machine's (capabilities(7),
// "Effect of user ID changes on capabilities").
int mount_as(const Op& op, const char* at, const char* options) {
  bool as_another = op.a != 0 || op.b != 0;
  constexpr unsigned long kNoSetuidFixup = 1UL << 2U;  // SECBIT_NO_SETUID_FIXUP
  if (as_another) {
    if (prctl(PR_SET_SECUREBITS, kNoSetuidFixup, 0, 0, 0) != 0) return errno;
    syscall(SYS_setfsgid, op.b);
    syscall(SYS_setfsuid, op.a);
  }
  int error = result(syscall(SYS_mount, "overlay", at, "overlay", 0, options));
  if (!as_another) return error;
  syscall(SYS_setfsuid, 0);
  syscall(SYS_setfsgid, 0);
  if (prctl(PR_SET_SECUREBITS, 0, 0, 0, 0) != 0 && error == 0) error = errno;
  return error;
}

}  // namespace

int do_overlay(State& s, const Op& op) {
  // The layers' links are relative to this directory, so that 127 of them fit into mount(2)'s one
  // page.
  if (chdir(text(s, op.s1)) != 0) return errno;
  int error = mount_as(op, text(s, op.s3), text(s, op.s2));
  return error != 0 ? error : take_root(s, text(s, op.s3));
}

int do_root_bind(State& s, const Op& op) {
  // pivot_root(2) wants a mount point.
  const char* path = text(s, op.s1);
  int error = result(syscall(SYS_mount, path, path, nullptr, kMsBind | kMsRec, nullptr));
  return error != 0 ? error : take_root(s, path);
}

int do_root_tree(State& s, const Op& op) {
  const char* path = text(s, op.s1);
  int target = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (target < 0) return errno;
  int error = move_onto(fd_of(s, op.fd), target);
  close(target);
  return error != 0 ? error : take_root(s, path);
}

int do_root_plain(State& s, const Op& op) { return take_root(s, text(s, op.s1)); }

int do_propagation(const State& s, const Op& op) {
  if (op.s1 != 0)
    return result(syscall(SYS_mount, nullptr, text(s, op.s1), nullptr, op.arg, nullptr));
  return result(syscall(SYS_mount, nullptr, "/", nullptr, op.arg, nullptr));
}

int do_make_node(const State& s, const Op& op) {
  const char* name = nullptr;
  int parent = open_parent(s, text(s, op.s1), &name);
  if (parent < 0) return errno;
  auto mode = static_cast<mode_t>(op.a);
  int error = result(mknodat(parent, name, mode, op.arg));
  if (error == 0)
    error = result(fchmodat(parent, name, mode & 07777, 0));  // the umask is not the image's
  if (error == 0 && (op.b != 0 || op.c != 0)) {
    error = result(fchownat(parent, name, static_cast<uid_t>(op.b), static_cast<gid_t>(op.c),
                            AT_SYMLINK_NOFOLLOW));
  }
  struct stat st{};
  if (error == EEXIST && fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      (st.st_mode & S_IFMT) == (mode & S_IFMT) && (S_ISFIFO(mode) || st.st_rdev == op.arg))
    error = 0;
  close(parent);
  return error;
}

int do_make_link(const State& s, const Op& op) {
  const char* name = nullptr;
  int parent = open_parent(s, text(s, op.s2), &name);
  if (parent < 0) return errno;
  int error = result(symlinkat(text(s, op.s1), parent, name));
  close(parent);
  return error == EEXIST ? 0 : error;
}

namespace {

int mount_empty_tmpfs(int target) {
  int fs = static_cast<int>(syscall(SYS_fsopen, "tmpfs", 1U));
  if (fs < 0) return errno;
  int error = result(syscall(SYS_fsconfig, fs, kFsConfigSetFlag, "ro", nullptr, 0));
  if (error == 0) error = result(syscall(SYS_fsconfig, fs, kFsConfigCreate, nullptr, nullptr, 0));
  int tree = error == 0 ? static_cast<int>(syscall(SYS_fsmount, fs, 1U, kAttrReadOnly)) : -1;
  if (error == 0 && tree < 0) error = errno;
  if (error == 0) error = move_onto(tree, target);
  close(tree);
  close(fs);
  return error;
}

// What the container calls /dev/null must be it: a link there would put another file in sight.
int hide_behind_null(const State& s, int target) {
  int null = open_inside(s, "/dev/null", O_PATH | O_NOFOLLOW);
  if (null < 0) return errno;
  struct stat st{};
  int error = result(fstat(null, &st));
  if (error == 0 && (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))) error = ENODEV;
  int tree = -1;
  if (error == 0) {
    tree = static_cast<int>(
        syscall(SYS_open_tree, null, "", kOpenTreeClone | kAtEmptyPath | O_CLOEXEC));
    error = tree < 0 ? errno : move_onto(tree, target);
  }
  if (tree >= 0) close(tree);
  close(null);
  return error;
}

}  // namespace

int do_mask(const State& s, const Op& op) {
  int target = open_inside(s, text(s, op.s1), O_PATH);
  if (target < 0) return errno == ENOENT ? 0 : errno;
  struct stat st{};
  int error = result(fstat(target, &st));
  if (error == 0 && S_ISDIR(st.st_mode)) {
    error = mount_empty_tmpfs(target);
  } else if (error == 0) {
    error = hide_behind_null(s, target);
  }
  close(target);
  return error;
}

int do_read_only(const State& s, const Op& op) {
  int target = open_inside(s, text(s, op.s1), O_PATH);
  if (target < 0) return errno == ENOENT ? 0 : errno;
  unsigned flags = kOpenTreeClone | kAtEmptyPath | kAtRecursive | O_CLOEXEC;
  int tree = static_cast<int>(syscall(SYS_open_tree, target, "", flags));
  MountAttributes read_only{.set = kAttrReadOnly};
  int error = tree < 0 ? errno : set_attributes(tree, read_only, true);
  if (error == 0) error = move_onto(tree, target);
  if (tree >= 0) close(tree);
  close(target);
  return error;
}

int do_sysctl(const State& s, const Op& op) {
  // The tables of net, kernel and fs are those of the caller's namespaces, whichever /proc names
  // them.
  char path[256] = "sys/";
  if (strlen(text(s, op.s1)) + strlen(path) >= sizeof path) return ENAMETOOLONG;
  strcat(path, text(s, op.s1));
  int fd = open_proc(s, path, O_WRONLY);
  if (fd < 0) return errno;
  int error = write_text(fd, text(s, op.s2));
  close(fd);
  return error;
}

namespace {

// A ramfs has no parent to pivot from: the root is moved over it (switch_root(8) does the same).
int move_root() {
  if (syscall(SYS_mount, ".", "/", nullptr, kMsMove, nullptr) != 0) return errno;
  return result(chroot("."));
}

int pivot_root() {
  if (syscall(SYS_pivot_root, ".", ".") != 0) return errno;
  // What is unmounted of the old root must stay mounted for the host.
  if (syscall(SYS_mount, nullptr, ".", nullptr, kMsRec | kMsSlave, nullptr) != 0) return errno;
  return result(syscall(SYS_umount2, ".", kMntDetach));
}

}  // namespace

int do_pivot(State& s, const Op& op) {
  // pivot_root(".", "."): the old root lands on top of the new one and is detached at once
  // (pivot_root(2)).
  if (fchdir(s.root) != 0) return errno;
  int error = 0;
  if ((op.a & kPivotChroot) != 0) {
    error = result(chroot("."));
  } else {
    error = (op.a & kPivotMove) != 0 ? move_root() : pivot_root();
  }
  if (error != 0) return error;
  if (chdir("/") != 0) return errno;
  close(s.root);
  s.root = -1;
  return 0;
}

// setns(2) leaves us at the root of the mount namespace, which need not be the container's: where
// we were started in a chroot it is the host's.
int do_enter_root(const State& s, const Op& op) {
  if (fchdir(fd_of(s, op.fd)) != 0) return errno;
  return result(chroot("."));
}

int do_root_read_only() {
  int tree = open("/", O_PATH | O_CLOEXEC);
  if (tree < 0) return errno;
  MountAttributes read_only{.set = kAttrReadOnly};
  int error = set_attributes(tree, read_only, false);
  close(tree);
  return error;
}

}  // namespace pcompose::launch
