// Numbers and structures of system calls that a C library may not know yet, or that clash between
// its headers and the kernel's. Sources: mount(2), mount_setattr(2), open_tree and move_mount of
// linux/mount.h, clone(2).
#pragma once

#include <stdint.h>

namespace pcompose::launch {

constexpr unsigned long kMsReadOnly = 1;
constexpr unsigned long kMsNoSuid = 2;
constexpr unsigned long kMsNoDev = 4;
constexpr unsigned long kMsNoExec = 8;
constexpr unsigned long kMsBind = 4096;
constexpr unsigned long kMsRec = 16384;
constexpr unsigned long kMsMove = 8192;
constexpr unsigned long kMsPrivate = 1UL << 18U;
constexpr unsigned long kMsSlave = 1UL << 19U;
constexpr unsigned long kMsShared = 1UL << 20U;
constexpr int kMntDetach = 2;

constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kAtEmptyPath = 0x1000;
constexpr unsigned kAtRecursive = 0x8000;
constexpr unsigned kMoveFromEmptyPath = 0x04;
constexpr unsigned kMoveToEmptyPath = 0x40;
constexpr unsigned kFsConfigSetFlag = 0;
constexpr unsigned kFsConfigCreate = 6;

constexpr uint64_t kAttrReadOnly = 0x01;
constexpr uint64_t kAttrNoSuid = 0x02;
constexpr uint64_t kAttrNoDev = 0x04;
constexpr uint64_t kAttrNoExec = 0x08;
constexpr uint64_t kAttrAccessTime = 0x70;  // the field: relative (0), none, strict
constexpr uint64_t kAttrNoAccessTime = 0x10;
constexpr uint64_t kAttrStrictAccessTime = 0x20;
constexpr uint64_t kAttrNoDirectoryAccessTime = 0x80;
constexpr uint64_t kAttrIdmap = 0x100000;
constexpr uint64_t kAttrNoSymlinkFollow = 0x200000;

constexpr long kProcMagic = 0x9fa0;  // statfs(2)

struct MountAttributes {  // struct mount_attr
  uint64_t set = 0;
  uint64_t clear = 0;
  uint64_t propagation = 0;
  uint64_t user_namespace = 0;
};

struct CloneArguments {  // struct clone_args
  uint64_t flags = 0;
  uint64_t pidfd = 0;
  uint64_t child_tid = 0;
  uint64_t parent_tid = 0;
  uint64_t exit_signal = 0;
  uint64_t stack = 0;
  uint64_t stack_size = 0;
  uint64_t tls = 0;
  uint64_t set_tid = 0;
  uint64_t set_tid_size = 0;
  uint64_t cgroup = 0;
};

constexpr uint64_t kClonePidfd = 0x00001000;
constexpr uint64_t kCloneClearSignalHandlers = 0x100000000ULL;
constexpr uint64_t kCloneNewTime = 0x00000080;

constexpr unsigned long kTiocSetLock = 0x40045431;
constexpr unsigned long kTiocGetPeer = 0x5441;

}  // namespace pcompose::launch
