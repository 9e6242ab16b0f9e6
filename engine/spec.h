// A container's description: the Linux part of the OCI runtime spec (config.json 1.3) as plain
// structs. Field names follow the spec. Descriptors in it are borrowed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pcompose::engine {

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  bool keep_groups = false;  // those that whoever starts it has, instead
};

struct Rlimit {
  int type = 0;  // RLIMIT_…
  uint64_t soft = 0;
  uint64_t hard = 0;
};

using CapabilitySet = uint64_t;  // bit n is capability n of linux/capability.h

struct Capabilities {
  CapabilitySet bounding = 0;
  CapabilitySet effective = 0;
  CapabilitySet permitted = 0;
  CapabilitySet inheritable = 0;
  CapabilitySet ambient = 0;
};

// sched_setattr(2); times in nanoseconds.
struct Scheduler {
  uint32_t policy = 0;  // SCHED_…
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t flags = 0;  // SCHED_FLAG_…
  uint64_t runtime = 0, deadline = 0, period = 0;
};

struct IoPriority {
  int io_class = 0;  // IOPRIO_CLASS_…
  int priority = 0;
};

struct Process {
  std::string program;  // "": args[0], looked for along PATH
  std::vector<std::string> args;
  std::vector<std::string> env;  // "K=V"
  std::string cwd = "/";
  User user;
  Capabilities capabilities;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  std::optional<uint32_t> umask;
  std::vector<std::string> unknown_capabilities;  // places and names no kernel of ours has
  bool no_new_privileges = false;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::string initial_affinity, final_affinity;  // processors as bits, lowest byte first
  std::string apparmor_profile;
  std::string selinux_label;
  bool terminal = false;
  uint16_t rows = 0, columns = 0;
  // stdin, stdout, stderr of a process without a terminal; -1 is /dev/null. Not owned.
  int stdio[3] = {-1, -1, -1};
};

struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
};

struct Mount {
  std::string destination;
  std::string type;  // "bind", or a file system
  std::string
      source;  // bind: a path of the host, unless `tree` is given; else what mountinfo shows
  std::string data;
  unsigned long flags = 0;  // MS_…, of a file system
  uint64_t attributes = 0;  // MOUNT_ATTR_…, of a bind
  uint64_t attributes_cleared = 0;
  uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE
  bool recursive = true;
  bool top_only = false;        // `attributes` are not those of mounts beneath it
  uint64_t all_attributes = 0;  // MOUNT_ATTR_… of it and all beneath it
  uint64_t all_attributes_cleared = 0;
  bool all_propagation = false;                       // `propagation` too
  bool copy_up = false;                               // a tmpfs takes over what its target holds
  std::vector<IdMapping> uid_mappings, gid_mappings;  // bind: ids are shown through these
  bool maps_all = false;                              // … in mounts beneath it, too
  int user_namespace = -1;                            // which carries the mappings
  bool is_file = false;                               // a missing destination is made as a file
  int tree = -1;  // bind: a detached mount of open_tree(2). Not owned.
};

struct Root {
  // An overlay: short names of the layers, topmost first, relative to `links`; or a plain directory
  // in `path`; or a detached mount of open_tree(2), not owned, which goes upon `path`.
  std::string links;
  std::vector<std::string> lower;
  std::string mount_points;  // a further layer below them (mount_points.h); may be empty
  std::string upper, work;
  std::string
      path;  // where it is mounted (any directory: the mount namespace is the container's own)
  int tree = -1;
  bool readonly = false;
  // Of a container with a user namespace of its own: the directory that holds all of an overlay,
  // whose owners are shown through that namespace, and who its root is outside.
  std::string mapped;
  uint32_t uid = 0, gid = 0;
};

struct MemoryPolicy {  // set_mempolicy(2)
  int mode = 0;        // MPOL_… with MPOL_F_…
  std::string nodes;   // as bits, lowest byte first
};

struct Device {
  std::string path;
  std::string host_path;  // "" = path
  char type = 'c';        // c, b, p
  uint32_t major = 0, minor = 0;
  uint32_t mode = 0666;
  uint32_t uid = 0, gid = 0;
  int tree = -1;  // the node, as a detached mount, instead of the host's. Not owned.
};

struct DeviceRule {
  bool allow = false;
  char type = 'a';                       // a, c, b
  std::optional<uint32_t> major, minor;  // nothing: any
  std::string access = "rwm";
};

struct NamespacePath {
  uint64_t type = 0;  // CLONE_NEW…
  std::string path;
};

struct NetDevice {
  std::string host_name;
  std::string name;  // in the container; "%d" stands for a free number
};

struct TimeOffset {
  std::string clock;  // monotonic, boottime
  int64_t seconds = 0;
  uint32_t nanoseconds = 0;
};

struct SeccompArgument {
  unsigned index = 0;
  uint64_t value = 0, value_two = 0;
  std::string op;  // SCMP_CMP_…
};

struct SeccompRule {
  std::vector<std::string> names;
  std::string action;  // SCMP_ACT_…
  std::optional<uint32_t> errno_return;
  std::vector<SeccompArgument> arguments;
};

struct SeccompProfile {
  std::string default_action;
  std::optional<uint32_t> default_errno;
  std::vector<std::string> architectures;  // SCMP_ARCH_…
  std::vector<std::string> flags;          // SECCOMP_FILTER_FLAG_…
  std::string listener_path, listener_metadata;
  std::vector<SeccompRule> rules;
};

struct BlockDeviceValue {
  uint32_t major = 0, minor = 0;
  std::optional<uint64_t> weight, leaf_weight, rate;
};

struct BlockIo {
  std::optional<uint64_t> weight, leaf_weight;
  std::vector<BlockDeviceValue> weight_devices;
  std::vector<BlockDeviceValue> read_bytes, write_bytes, read_operations, write_operations;
};

struct MemoryResources {  // bytes; -1 is no limit
  std::optional<int64_t> limit, reservation, swap, kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  std::optional<bool> check_before_update;
};

struct CpuResources {  // microseconds
  std::optional<uint64_t> shares, period, burst, realtime_period;
  std::optional<int64_t> quota, realtime_runtime, idle;
  std::string cpus, mems;
};

struct Resources {
  std::vector<DeviceRule> devices;
  MemoryResources memory;
  CpuResources cpu;
  std::optional<int64_t> pids;  // -1: no limit
  BlockIo block_io;
  std::vector<std::pair<std::string, uint64_t>> huge_pages;  // "2MB", bytes
  std::optional<uint32_t> network_class;
  std::vector<std::pair<std::string, uint32_t>> network_priorities;
  std::vector<std::pair<std::string, std::string>> rdma;     // device, "hca_handle=1 hca_object=2"
  std::vector<std::pair<std::string, std::string>> unified;  // file and value, v2 only
};

struct Linux {
  uint64_t new_namespaces = 0;                       // CLONE_NEW…
  std::vector<NamespacePath> namespace_paths;        // joined instead of new ones
  std::vector<std::pair<uint64_t, int>> namespaces;  // the same, open
  int network_namespace = -1;                        // joined instead of a new one
  std::vector<IdMapping> uid_mappings, gid_mappings;
  // Of a container that the keeper starts: the user namespace that it lives in, and that owns its
  // network namespace. Not owned.
  int user_namespace = -1;
  std::vector<TimeOffset> time_offsets;
  std::vector<NetDevice> net_devices;
  std::string cgroups_path;
  Resources resources;
  std::vector<std::string> cgroup_procs;  // every cgroup.procs file to join
  std::vector<Device> devices;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  bool bind_devices = false;  // the host's nodes instead of new ones: in a user namespace
  std::vector<std::pair<std::string, std::string>> sysctl;  // name with slashes, value
  uint64_t rootfs_propagation = 0;                          // MS_…; 0: nothing was said
  std::string mount_label;
  std::optional<uint64_t> personality;
  std::optional<MemoryPolicy> memory_policy;
  std::optional<SeccompProfile> seccomp_profile;
  std::string seccomp;         // the filter as bytes (struct sock_filter[]), "" = none
  uint32_t seccomp_flags = 0;  // SECCOMP_FILTER_FLAG_…
  bool seccomp_notifies = false;
};

struct Hook {
  std::string path;
  std::vector<std::string> args;
  std::optional<std::vector<std::string>> env;  // nothing: that of who runs it
  std::optional<int> timeout;                   // seconds
};

struct Hooks {
  std::vector<Hook> prestart, create_runtime, create_container, start_container, poststart,
      poststop;
  [[nodiscard]] bool before_the_root_is_entered() const {
    return !prestart.empty() || !create_runtime.empty() || !create_container.empty();
  }
};

struct HookKind {
  const char* name;  // in config.json
  std::vector<Hook> Hooks::* list;
};
inline constexpr HookKind kHookKinds[] = {{"prestart", &Hooks::prestart},
                                          {"createRuntime", &Hooks::create_runtime},
                                          {"createContainer", &Hooks::create_container},
                                          {"startContainer", &Hooks::start_container},
                                          {"poststart", &Hooks::poststart},
                                          {"poststop", &Hooks::poststop}};

struct ContainerSpec {
  std::string oci_version;
  std::string hostname;
  std::string domainname;
  Root root;
  std::vector<Mount> mounts;  // made when it is prepared
  std::vector<Mount>
      start_mounts;  // attached when it starts: what a dependency may have written just now
  bool has_process = true;
  Process process;
  Linux linux;
  Hooks hooks;
  std::map<std::string, std::string> annotations;
};

// What Docker gives a container that asks for nothing: its 14 capabilities, file systems, masked
// paths.
Capabilities default_capabilities();
std::vector<Mount> default_mounts(uint64_t shm_bytes);
std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();

}  // namespace pcompose::engine
