// A container's description: the Linux part of the OCI runtime spec (config.json 1.2) as plain
// structs, as far as it is carried out yet. Field names follow the spec.
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
};

struct Rlimit {
  int type = 0;  // RLIMIT_…
  uint64_t soft = 0;
  uint64_t hard = 0;
};

using CapabilitySet = uint64_t;  // bit n is capability n of linux/capability.h

struct Capabilities {
  CapabilitySet bounding = 0;
  CapabilitySet effective = 0;    // and permitted
  CapabilitySet inheritable = 0;  // and ambient
};

struct Process {
  std::vector<std::string> args;
  std::vector<std::string> env;  // "K=V"
  std::string cwd = "/";
  User user;
  Capabilities capabilities;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  std::optional<uint32_t> umask;
  bool no_new_privileges = false;
  bool terminal = false;
  uint16_t rows = 0, columns = 0;
  // stdin, stdout, stderr of a process without a terminal; -1 is /dev/null. Not owned.
  int stdio[3] = {-1, -1, -1};
};

struct Mount {
  std::string destination;
  std::string type;    // "bind", or a file system
  std::string source;  // bind: a path of the host, unless `tree` is given
  std::string data;
  unsigned long flags = 0;   // MS_…, of a file system
  uint64_t attributes = 0;   // MOUNT_ATTR_…, of a bind
  uint64_t propagation = 0;  // MS_PRIVATE, MS_SLAVE, MS_SHARED, of a bind
  bool recursive = true;
  bool is_file = false;  // a missing destination is made as a file
  int tree = -1;         // bind: a detached mount of open_tree(2). Not owned.
};

struct Root {
  // An overlay: short names of the layers, topmost first, relative to `links`; or a plain directory
  // in `path`.
  std::string links;
  std::vector<std::string> lower;
  std::string upper, work;
  std::string
      path;  // where it is mounted (any directory: the mount namespace is the container's own)
  bool readonly = false;
};

struct Linux {
  uint64_t new_namespaces = 0;            // CLONE_NEW…
  int network_namespace = -1;             // joined instead of a new one. Not owned.
  std::vector<std::string> cgroup_procs;  // every cgroup.procs file to join
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::vector<std::pair<std::string, std::string>> sysctl;  // name with slashes, value
  std::string seccomp;  // the filter as bytes (struct sock_filter[]), "" = none
};

struct ContainerSpec {
  std::string hostname;
  std::string domainname;
  Root root;
  std::vector<Mount> mounts;  // made when it is prepared
  std::vector<Mount>
      start_mounts;  // attached when it starts: what a dependency may have written just now
  Process process;
  Linux linux;
};

// What Docker gives a container that asks for nothing: its 14 capabilities, file systems, masked
// paths.
Capabilities default_capabilities();
std::vector<Mount> default_mounts(uint64_t shm_bytes);
std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();

}  // namespace pcompose::engine
