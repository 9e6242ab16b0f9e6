// What the files of the child share: its state, and the operations that child.cc dispatches.
// Nothing of it is for anybody else.
#pragma once

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "engine/launch/wire.h"

namespace pcompose::launch {

// The interpreter's state: one container's, alone in its process.
struct State {
  const uint8_t* plan = nullptr;
  const int* fds = nullptr;
  int fd_count = 0;
  int channel = -1;
  int root = -1;  // O_PATH of the root being built; -1 once it is /
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
int do_overlay(State& s, const Op& op);
int do_root_bind(State& s, const Op& op);
int do_mount_fs(const State& s, const Op& op);
int do_bind(const State& s, const Op& op);
int do_make_node(const State& s, const Op& op);
int do_make_link(const State& s, const Op& op);
int do_mask(const State& s, const Op& op);
int do_read_only(const State& s, const Op& op);
int do_sysctl(const State& s, const Op& op);
int do_pivot(State& s);
int do_enter_root(const State& s, const Op& op);
int do_root_read_only();
// An image's links are followed, but never out of the new root. Returns -1 with errno.
int open_inside(const State& s, const char* path, uint64_t flags);
int make_directory(const State& s, const char* path);

// child_process.cc: the process.
int do_cgroup_join(const State& s, const Op& op);
int do_stdio(const State& s, const Op& op);
int do_pty(const State& s, const Op& op);
int do_working_directory(const State& s, const Op& op);
int do_limit(const Op& op);
int do_bounding(const Op& op);
int do_user(const State& s, const Op& op);
int do_capabilities(const Op& op);
int do_seccomp(const State& s, const Op& op);
int do_fork_sibling(const State& s);
int do_exec(const State& s, const Op& op);
int write_path(const char* path, const char* value);
int report(const State& s, Phase phase, int op, int error);

}  // namespace pcompose::launch
