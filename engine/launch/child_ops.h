// What the files of the child share: its state, and the operations that child.cc dispatches.
// Nothing of it is for anybody else.
#pragma once

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/launch/kernel_abi.h"
#include "engine/launch/wire.h"

namespace pcompose::launch {

// The interpreter's state: one container's, alone in its process.
struct State {
  const uint8_t* plan = nullptr;
  const int* fds = nullptr;
  int fd_count = 0;
  int channel = -1;
  int root = -1;  // O_PATH of the root being built; -1 once it is /
  int proc =
      -1;  // O_PATH of the host's /proc: what the container mounts on its own cannot be trusted
  int mounted = -1;     // the last mount
  uint64_t joined = 0;  // CLONE_NEW… of the namespaces entered
};

inline const char* text(const State& s, uint32_t offset) {
  return offset == 0 ? "" : reinterpret_cast<const char*>(s.plan + offset);
}

inline int fd_of(const State& s, int32_t number) {
  return number >= 0 && number < s.fd_count ? s.fds[number] : -1;
}

inline int result(long r) { return r < 0 ? errno : 0; }

inline int write_text(int fd, const char* value) {
  ssize_t n = write(fd, value, strlen(value));
  return n < 0 ? errno : 0;
}

// child_root.cc: the root file system.
int do_idmap(const State& s, const Op& op);
int do_overlay(State& s, const Op& op);
int do_root_tree(State& s, const Op& op);
int do_root_bind(State& s, const Op& op);
int do_root_plain(State& s, const Op& op);
int do_propagation(const State& s, const Op& op);
int do_make_node(const State& s, const Op& op);
int do_make_link(const State& s, const Op& op);
int do_mask(const State& s, const Op& op);
int do_read_only(const State& s, const Op& op);
int do_sysctl(const State& s, const Op& op);
int do_pivot(State& s, const Op& op);
int do_enter_root(const State& s, const Op& op);
int do_root_read_only();
// An image's links are followed, but never out of the new root. Returns -1 with errno.
int open_inside(const State& s, const char* path, uint64_t flags);
// `path` beneath the host's /proc, with nothing mounted in between. Returns -1 with errno.
int open_proc(const State& s, const char* path, uint64_t flags);
int make_directory(const State& s, const char* path);
int make_file(const State& s, const char* path);
int move_onto(int tree, int target);
int set_attributes(int tree, const MountAttributes& attributes, bool recursive);
// "/proc/self/fd/N" for calls that take no descriptor; `path` has room for 40 characters.
void descriptor_path(int fd, char* path);

// child_mounts.cc: mounts beneath the root.
int do_mount_fs(State& s, const Op& op);
int do_bind(State& s, const Op& op);
int do_mount_attributes(const State& s, const Op& op);
// Copies what `from` holds into `to`, links as links, with owners and modes. Never leaves `from`.
int copy_up(int from, int to, int depth);

// child_process.cc: the process.
int do_cgroup_join(const State& s, const Op& op);
int do_stdio(const State& s, const Op& op);
int do_pty(const State& s, const Op& op);
int do_own_stdio(const Op& op);
int do_working_directory(const State& s, const Op& op);
int do_limit(const Op& op);
int do_bounding(const Op& op);
int do_user(const State& s, const Op& op);
int do_capabilities(const State& s, const Op& op);
int do_seccomp(const State& s, const Op& op);
int do_set_namespace(State& s, const Op& op);
int do_map_ids();
int do_loopback_up();
int do_find_program(const State& s, const Op& op);
int do_scheduler(const State& s, const Op& op);
int do_io_priority(const Op& op);
int do_self_file(const State& s, const Op& op);
// Waits for one byte of the launcher; ends where the launcher is gone.
void await_go(const State& s);
int send_descriptor(const State& s, Phase phase, int fd);
int do_fork_sibling(const State& s);
int do_exec(const State& s, const Op& op);
int write_path(const char* path, const char* value);
int report(const State& s, Phase phase, int op, int error);

}  // namespace pcompose::launch
