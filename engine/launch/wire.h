// The plain data that a launch is made of, shared by the programs that describe one and the child
// that carries it out. No library: the keeper is a static program without a C++ runtime.
//
// A plan is one block of memory:   PlanHeader | Op[op_count] | strings and blobs
// An Op names strings and blobs by their offset from the start of the plan; 0 is "none".
// Descriptors are numbered by their place in the SCM_RIGHTS list that comes with the plan; kNoFd is
// "none".
#pragma once

#include <stdint.h>

namespace pcompose::launch {

// "pcl5": raise with every change of this file. (The test of upgrades builds programs with
// another.)
#ifndef PCOMPOSE_PLAN_MAGIC
#define PCOMPOSE_PLAN_MAGIC 0x70636c35
#endif
constexpr uint32_t kPlanMagic = PCOMPOSE_PLAN_MAGIC;
constexpr uint32_t kMaxPlanBytes = 4U << 20U;
constexpr int32_t kNoFd = -1;
constexpr int kMaxPlanFds = 250;  // SCM_RIGHTS takes 253: unix(7)

enum class OpCode : uint16_t {
  none = 0,
  cgroup_join,     // s1: a cgroup.procs file
  set_namespace,   // fd, arg: CLONE_NEW… flags (a pidfd takes several: setns(2)), a: kJoin…
  enter_root,      // fd: a directory that becomes /; after the mount namespace was entered
  new_namespace,   // arg: CLONE_NEW… flags for unshare(2)
  private_mounts,  // after the mount namespace, before anything is mounted
  propagation,     // s1: a path of the host, "" for the container's root; arg: MS_… flags
  idmap,           // s1: a path of the host whose file system shows its owners through fd, a user
                   // namespace, from here on
  overlay,     // s1: directory of the layers' links, s2: options, s3: where; becomes the root. a,
               // b: the uid and gid that mount it; 0: root
  root_bind,   // s1: a directory that becomes the root
  root_tree,   // fd: a tree of open_tree(2), s1: where it goes; becomes the root
  root_plain,  // s1: the same without a mount: where there is no mount namespace
  mount_fs,    // s1: type, source; s2: target, s3: data, arg: MS_… flags, a: kMountCopyUp
  bind,  // fd (a tree of open_tree(2)) or s1: source, s2: target, arg: MOUNT_ATTR_… to set, arg2:
         // to clear, b: propagation, a: kBind…, c: a user namespace's descriptor (kBindIdmap)
  mount_attributes,  // of the last mount; arg: set, arg2: clear, b: propagation, a: kBindRecursive
  make_node,  // s1: path, a: mode, arg: device, b, c: owner; one that is there already is fine
  make_link,  // s1: what it says, s2: path
  mask,       // s1: path, hidden behind /dev/null or an empty read-only tmpfs; absent is fine
  read_only,  // s1: path; absent is fine
  sysctl,     // s1: name with slashes, s2: value; after /proc, before it is made read-only
  pivot,  // the root becomes /; nothing of the host is reachable by path from here on. a: kPivot…
  loopback_up,     // of a new network namespace
  hostname,        // s1
  domainname,      // s1
  root_read_only,  // after the last mount point was made
  wait,            // a: kStage…; reports and waits for a byte on the channel
  park,        // wait for the plan that starts the program; fd: a listening socket, then for a go
  map_ids,     // become uid and gid 0 of a user namespace that was mapped meanwhile
  undumpable,  // after the maps were written: an ordinary user may not write those of others
  session,     // setsid(2)
  keyring,     // a new session keyring
  stdio,       // a, b, c: descriptors for 0, 1, 2
  inherit,     // fd: stays open in the program, under its number
  pty,  // a new terminal of the container's devpts becomes 0, 1, 2; arg: rows << 16 | columns, a:
        // kPty…, b: owner
  own_stdio,  // a: uid, b: gid; so that it may open /dev/stdout again. What is /dev/null stays
  working_directory,  // s1; made where it is missing, unless a is kMustExist
  find_program,       // s1: argv[0], s3: PATH; so that a missing one fails before the start
  limit,              // a: RLIMIT_…, arg: soft, arg2: hard; clamped to what we may have
  self_file,          // s1: a file of /proc/self, s2: text
  umask,              // a
  scheduler,          // s1: struct sched_attr
  io_priority,        // a: as of ioprio_set(2)
  affinity,           // s1: bits of processors, a: bytes
  memory_policy,      // a: mode and flags, s1: bits of nodes, b: bytes: set_mempolicy(2)
  personality,        // arg
  bounding,           // arg: capabilities that may ever be had
  user,     // a: uid, b: gid, s1: groups (uint32_t each), c: how many, arg: 1 keeps the groups
            // there are; keeps capabilities for now
  seccomp,  // s1: struct sock_filter array, a: how many, b: SECCOMP_FILTER_FLAG_…, c: kSeccomp…
  capabilities,  // s1: CapabilitySets
  no_new_privs,
  fork_sibling,  // the rest happens in a child of the keeper, inside the namespaces entered so far
  exec,  // s1: program, then argv, a: count of argv, s2: environment, b: count, s3: PATH to search
};

constexpr int32_t kBindRecursive = 1;
constexpr int32_t kBindMakeFile = 2;       // a missing target is made as a file
constexpr int32_t kBindMakeDirectory = 4;  // … as a directory
constexpr int32_t kBindTopOnly = 8;        // attributes are those of the topmost mount alone
constexpr int32_t kBindIdmap = 16;
constexpr int32_t kBindIdmapRecursive = 32;
constexpr int32_t kMustExist = 1;
constexpr int32_t kMountCopyUp = 1;    // what the target holds is copied into the new file system
constexpr int32_t kPivotMove = 1;      // without pivot_root(2): the root is a ramfs
constexpr int32_t kPivotChroot = 2;    // there is no mount namespace
constexpr int32_t kPtyConsole = 1;     // also bound to /dev/console
constexpr int32_t kPtyOwned = 2;       // belongs to the owner in `b`
constexpr int32_t kSeccompNotify = 1;  // the listener goes to the launcher
// A namespace that belongs to the user namespace we came from is entered before ours, one that
// belongs to ours after it. Which one it is the kernel says: an EPERM of the first try is no error.
constexpr int32_t kJoinFirstTry = 1;
constexpr int32_t kJoinSecondTry = 2;

// What the launcher does while the child waits.
constexpr int32_t kStageMapIds = 1;      // writes the maps of its user namespace
constexpr int32_t kStageHooks = 2;       // everything is mounted, the root is not yet entered
constexpr int32_t kStageNetDevices = 3;  // moves devices into its network namespace

struct CapabilitySets {
  uint64_t effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

struct Op {
  OpCode code = OpCode::none;
  uint16_t reserved = 0;
  int32_t fd = kNoFd;
  int32_t a = 0, b = 0, c = 0;
  uint32_t s1 = 0, s2 = 0, s3 = 0;
  uint64_t arg = 0, arg2 = 0;
};

struct PlanHeader {
  uint32_t magic = kPlanMagic;
  uint32_t size = 0;  // of the whole plan
  uint32_t op_count = 0;
  uint32_t stays_dumpable = 0;  // until the operation `undumpable`
  uint64_t clone_flags = 0;     // CLONE_NEW… of the first clone
};

// What the child says on its channel (SOCK_SEQPACKET, one struct a message).
enum class Phase : uint32_t {
  parked = 1,
  failed,    // op, error
  sibling,   // op: the pid that fork_sibling made, in the keeper's pid namespace
  pty,       // with the master by SCM_RIGHTS
  waiting,   // op: which stage
  listener,  // with the seccomp listener by SCM_RIGHTS; waits for a byte
};

struct Report {
  Phase phase = Phase::failed;
  int32_t op = 0;
  int32_t error = 0;
};

// 127: not found, 126: found and not executable. As a shell does.
int exit_code_of_exec(int error);

}  // namespace pcompose::launch
