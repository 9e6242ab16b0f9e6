// Everything here runs between clone and exec: raw system calls on plain data, no allocation, no
// library state, no logging. A function returns 0 or an errno value; the interpreter reports
// (operation, errno) and ends.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/launch/child_ops.h"
#include "engine/launch/kernel_abi.h"

namespace pcompose::launch {
namespace {

// The mount that the next `mount_attributes` speaks of. By descriptor: a path could lead elsewhere
// by then.
void remember(State& s, int mount) {
  if (s.mounted >= 0) close(s.mounted);
  s.mounted = mount;
}

int copy_up_from(int lower, const State& s) {
  int from = openat(lower, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (from < 0) return errno;
  int to = openat(s.mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int error = to < 0 ? errno : copy_up(from, to, 0);
  if (to >= 0) close(to);
  close(from);
  return error;
}

}  // namespace

int do_mount_fs(State& s, const Op& op) {
  const char* target_path = text(s, op.s2);
  int error = make_directory(s, target_path);
  if (error != 0) return error;
  int target = open_inside(s, target_path, O_PATH | O_DIRECTORY);
  if (target < 0) return errno;
  const char* type = text(s, op.s1);
  const char* source = type + strlen(type) + 1;
  // By descriptor: between the walk and the mount nothing may turn the path into a link.
  char path[40];
  descriptor_path(target, path);
  error = result(syscall(SYS_mount, source, path, type, op.arg, text(s, op.s3)));
  if (error == 0) {
    remember(s, open_inside(s, target_path, O_PATH | O_DIRECTORY));
    if (s.mounted < 0) error = errno;
  }
  if (error == 0 && (op.a & kMountCopyUp) != 0) error = copy_up_from(target, s);
  close(target);
  return error;
}

namespace {

// An id map goes on a mount before it is anywhere (mount_setattr(2)).
int map_ids_of(const State& s, const Op& op, int tree) {
  MountAttributes attributes{};
  attributes.set = kAttrIdmap;
  attributes.user_namespace = static_cast<uint64_t>(fd_of(s, op.c));
  return set_attributes(tree, attributes, (op.a & kBindIdmapRecursive) != 0);
}

int set_bind_attributes(const State& s, const Op& op, int tree) {
  int error = (op.a & kBindIdmap) != 0 ? map_ids_of(s, op, tree) : 0;
  MountAttributes attributes{};
  attributes.set = op.arg;
  attributes.clear = op.arg2;
  attributes.propagation = static_cast<uint64_t>(static_cast<uint32_t>(op.b));
  if (error != 0 || (op.arg == 0 && op.arg2 == 0 && op.b == 0)) return error;
  bool recursive = (op.a & kBindRecursive) != 0 && (op.a & kBindTopOnly) == 0;
  return set_attributes(tree, attributes, recursive);
}

// A detached tree: the one that came, or a clone of a path of the host.
int take_tree(const State& s, const Op& op) {
  int tree = fd_of(s, op.fd);
  if (tree >= 0) return tree;
  bool recursive = (op.a & kBindRecursive) != 0;
  unsigned flags = kOpenTreeClone | O_CLOEXEC | (recursive ? kAtRecursive : 0U);
  return static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, text(s, op.s1), flags));
}

}  // namespace

int do_bind(State& s, const Op& op) {
  int tree = take_tree(s, op);
  if (tree < 0) return errno;
  int error = 0;
  if ((op.a & kBindMakeFile) != 0) error = make_file(s, text(s, op.s2));
  if ((op.a & kBindMakeDirectory) != 0) error = make_directory(s, text(s, op.s2));
  if (error != 0) return error;
  int target = open_inside(s, text(s, op.s2), O_PATH);
  if (target < 0) return errno;
  error = set_bind_attributes(s, op, tree);
  if (error == 0) error = move_onto(tree, target);
  close(target);
  remember(s, tree);
  return error;
}

int do_mount_attributes(const State& s, const Op& op) {
  MountAttributes attributes{};
  attributes.set = op.arg;
  attributes.clear = op.arg2;
  attributes.propagation = static_cast<uint64_t>(static_cast<uint32_t>(op.b));
  return set_attributes(s.mounted, attributes, (op.a & kBindRecursive) != 0);
}

// ---- tmpcopyup

namespace {

constexpr int kMaxDepth = 64;

struct DirectoryEntry {  // struct linux_dirent64, getdents64(2)
  uint64_t inode;
  int64_t offset;
  uint16_t length;
  uint8_t type;
  char name[1];
};

int copy_bytes(int from, int to) {
  char buffer[16384];
  for (;;) {
    ssize_t n = read(from, buffer, sizeof buffer);
    if (n <= 0) return n < 0 ? errno : 0;
    for (ssize_t done = 0; done < n;) {
      ssize_t w = write(to, buffer + done, static_cast<size_t>(n - done));
      if (w < 0) return errno;
      done += w;
    }
  }
}

int copy_file(int from_dir, int to_dir, const char* name, mode_t mode) {
  int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0) return errno;
  int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  int error = to < 0 ? errno : copy_bytes(from, to);
  if (to >= 0) close(to);
  close(from);
  return error;
}

int copy_link(int from_dir, int to_dir, const char* name) {
  char target[4096];
  ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);
  if (n < 0) return errno;
  target[n] = 0;
  return result(symlinkat(target, to_dir, name));
}

int copy_directory(int from_dir, int to_dir, const char* name, int depth) {
  if (mkdirat(to_dir, name, 0700) != 0) return errno;
  int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (from < 0) return errno;
  int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int error = to < 0 ? errno : copy_up(from, to, depth + 1);
  if (to >= 0) close(to);
  close(from);
  return error;
}

int copy_entry(int from, int to, const char* name, int depth) {
  struct stat st{};
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  mode_t mode = st.st_mode & 07777;
  int error = 0;
  if (S_ISDIR(st.st_mode)) {
    error = copy_directory(from, to, name, depth);
  } else if (S_ISREG(st.st_mode)) {
    error = copy_file(from, to, name, mode);
  } else if (S_ISLNK(st.st_mode)) {
    error = copy_link(from, to, name);
  } else {
    error = result(mknodat(to, name, st.st_mode, st.st_rdev));
  }
  if (error == 0) error = result(fchownat(to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW));
  if (error == 0 && !S_ISLNK(st.st_mode)) error = result(fchmodat(to, name, mode, 0));
  return error;
}

}  // namespace

int copy_up(int from, int to, int depth) {
  if (depth > kMaxDepth) return ELOOP;
  alignas(DirectoryEntry) char buffer[4096];
  for (;;) {
    long n = syscall(SYS_getdents64, from, buffer, sizeof buffer);
    if (n <= 0) return n < 0 ? errno : 0;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer + at);
      at += entry->length;
      if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0) continue;
      int error = copy_entry(from, to, entry->name, depth);
      if (error != 0) return error;
    }
  }
}

}  // namespace pcompose::launch
