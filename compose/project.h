// The typed Project: what should be. Plain data; made by load(), sent to the supervisor as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "compose/attributes.h"

namespace pcompose::compose {

// A published port, one host port to one container port (ranges are already expanded).
struct Port {
  std::string host_ip;                // "" = every address of the host
  std::optional<uint16_t> published;  // nullopt = an ephemeral port
  uint16_t published_end = 0;         // above `published`: any free one of published..published_end
  uint16_t target = 0;
  std::string protocol = "tcp";  // tcp | udp | sctp
  std::string mode;              // "" | ingress | host
  std::string name, app_protocol;
  Position position;
};

enum class MountType { volume, bind, tmpfs, image, npipe, cluster };

struct Mount {
  MountType type = MountType::volume;
  // volume: the key under `volumes:` ("" = anonymous); bind: an absolute host path; image: a
  // reference.
  std::string source;
  std::string target;  // absolute path in the container
  bool read_only = false;
  bool create_host_path = true;  // bind: make a missing source directory
  bool nocopy = false;           // volume: no first-use copy from the image
  TextMap volume_labels;         // volume: of an anonymous one
  std::string subpath;           // volume and image: what of it is mounted
  std::string propagation;       // bind: "", rprivate, rslave, rshared, …
  std::string recursive;         // bind: "" | enabled | disabled | writable | readonly
  std::string selinux;           // bind: "" | z | Z
  std::string consistency;
  int64_t tmpfs_size = 0;   // bytes, 0 = the kernel's default
  uint32_t tmpfs_mode = 0;  // 0 = 1777
  Position position;
};

// service_listening is ours: on a TCP port that it exposes.
enum class Condition {
  service_started,
  service_healthy,
  service_completed_successfully,
  service_listening
};

struct Dependency {
  std::string service;
  Condition condition = Condition::service_started;
  bool restart = false;
  bool required = true;
  Position position;
};

// A field that is absent is taken from the image, one by one.
struct HealthCheck {
  bool disabled = false;
  // {"CMD", …} or {"CMD-SHELL", "…"}; {"HTTP", url} or {"TCP", port} of x-pcompose-probe; empty =
  // the image's
  std::vector<std::string> test;
  std::optional<Milliseconds> interval, timeout, start_period, start_interval;
  std::optional<int> retries;
  Position position;
};

enum class Restart { no, always, on_failure, unless_stopped };

struct RestartPolicy {
  Restart kind = Restart::no;
  int max_retries = 0;  // on_failure: 0 = without end
};

struct ServiceNetwork {
  std::string network;  // the key under `networks:`
  std::vector<std::string> aliases;
  std::string ipv4_address, ipv6_address;  // "" = dynamic
  std::vector<std::string> link_local_ips;
  std::string mac_address, interface_name;
  TextMap driver_opts;
  int priority = 0;     // the highest is connected first
  int gw_priority = 0;  // the highest has the default route
  Position position;
};

struct Service {
  std::string name;
  std::string image;
  std::string container_name;                          // "" = <project>-<service>-<number>
  std::optional<std::vector<std::string>> command;     // nullopt = the image's
  std::optional<std::vector<std::string>> entrypoint;  // nullopt = the image's
  EnvironmentMap environment;
  std::vector<Port> ports;
  std::vector<std::string> expose;  // "80", "80/udp", "8000-8010"
  std::vector<Mount> volumes;
  std::vector<ServiceNetwork> networks;  // in the file's order; `default` where none is written
  std::string network_mode;              // "" | none | host | service:NAME | container:NAME
  std::vector<Dependency> depends_on;
  std::optional<HealthCheck> healthcheck;
  RestartPolicy restart;
  std::optional<bool> restart_unhealthy;  // x-pcompose: {restart_unhealthy: true}; nullopt = no
  std::optional<Milliseconds> stop_grace_period;  // nullopt = 10 s
  std::vector<std::string> profiles;
  int scale = 1;

  // The process. Sizes are bytes; 0 and "" are "not written" unless something else is said.
  std::string user, working_dir, hostname, domainname;
  std::string stop_signal;  // "" = the image's, then SIGTERM
  bool init = false, tty = false, stdin_open = false, read_only = false, privileged = false;
  std::vector<std::string> group_add, cap_add, cap_drop, security_opt;
  std::map<std::string, Ulimit> ulimits;
  TextMap sysctls;
  int oom_score_adj = 0;
  bool oom_kill_disable = false;

  // Namespaces and devices.
  std::string ipc, pid, uts, userns_mode, cgroup, cgroup_parent, isolation;
  std::vector<Device> devices;
  std::vector<std::string> device_cgroup_rules;
  std::vector<DeviceRequest> gpus;
  std::vector<std::string> volumes_from;
  int64_t shm_size = 0;
  TextMap storage_opt;
  std::vector<Grant> secrets, configs;

  // Resources.
  double cpus = 0;
  int64_t cpu_count = 0, cpu_period = 0, cpu_quota = 0, cpu_rt_period = 0, cpu_rt_runtime = 0;
  double cpu_percent = 0;
  int64_t cpu_shares = 0;
  std::string cpuset;
  int64_t mem_limit = 0, mem_reservation = 0, memswap_limit = 0;
  std::optional<int64_t> mem_swappiness;
  int64_t pids_limit = 0;  // -1 = unlimited
  std::optional<BlkioConfig> blkio_config;

  // Names.
  std::vector<std::string> dns, dns_opt, dns_search, extra_hosts, links, external_links;
  std::string mac_address;

  // Where it comes from and how it is run.
  std::optional<Build> build;
  std::string platform, pull_policy, pull_refresh_after, runtime;
  TextMap labels, annotations;
  std::optional<bool> attach;  // nullopt = yes
  std::optional<Logging> logging;
  std::vector<Hook> pre_start, post_start, pre_stop;
  std::optional<Deploy> deploy;
  std::optional<Develop> develop;
  std::optional<Provider> provider;
  std::map<std::string, ServiceModel> models;
  std::optional<CredentialSpec> credential_spec;
  bool use_api_socket = false;

  Position position;  // of the key `web:` under `services:`
  // Where each part came from, by its path in the service: "image", "environment.DEBUG",
  // "ports[0]".
  std::map<std::string, Position> origins;
  // The place of `path`, or of the nearest thing around it, or of the service.
  [[nodiscard]] Position origin(const std::string& path) const;
};

struct AddressPool {
  std::string subnet, gateway, ip_range;
  TextMap aux_addresses;
};

// Before the name of a network that a service joins by `network_mode: NAME`: no key of a file.
inline constexpr std::string_view kJoinedByMode = "network_mode ";

struct Network {
  std::string key;   // under `networks:`
  std::string name;  // <project>_<key>, or as written
  bool external = false;
  bool internal = false;
  std::string driver = "bridge";
  std::string subnet;              // "" = from the pool
  std::string gateway;             // "" = the subnet's first address
  std::vector<AddressPool> pools;  // all of ipam.config, the first included
  std::string ipam_driver;
  TextMap ipam_options, driver_opts, labels;
  std::optional<bool> enable_ipv4, enable_ipv6;
  bool attachable = false;
  Position position;
};

struct Volume {
  std::string key;
  std::string name;  // <project>_<key>, or as written
  bool external = false;
  std::string driver = "local";
  TextMap driver_opts, labels;
  Position position;
};

// A secret or a config: where its content is.
struct Material {
  std::string key;
  std::string name;
  std::string file, environment;       // an absolute path, a variable of the project
  std::optional<std::string> content;  // configs only
  bool external = false;
  std::string driver, template_driver;
  TextMap driver_opts, labels;
  Position position;
};

struct LanguageModel {
  std::string key;
  std::string name, model;
  int64_t context_size = 0;
  std::vector<std::string> runtime_flags;
  Position position;
};

struct Project {
  std::string name;
  std::string working_dir;                  // absolute
  std::vector<std::string> config_files;    // absolute
  std::vector<std::string> profiles;        // the active ones
  std::map<std::string, Service> services;  // those of active profiles only
  std::map<std::string, Service> disabled_services;
  std::map<std::string, Network> networks;  // those that an active service uses
  // By its key; of one that only an earlier file had, what that most likely called it.
  [[nodiscard]] std::string network_name(const std::string& network) const;
  std::map<std::string, Volume> volumes;
  std::map<std::string, Material> secrets, configs;
  std::map<std::string, LanguageModel> models;
  std::string separator = "-";  // in names of containers; --compatibility makes it '_'
  bool lenient_limits = false;  // --limits=warn: containers run where a limit cannot be kept
  bool pod = false;      // x-pcompose: {pod: true}, or --pod: one network, ipc and uts namespace
  bool pod_pid = false;  // x-pcompose: {pod: {pid: true}}: one pid namespace, too
  // What secrets and configs take from the environment, by "secrets.KEY" or "configs.KEY". Not part
  // of the JSON: that is written to disk.
  TextMap from_environment;
  // COMPOSE_*, of the process or an env file. Not part of the JSON either.
  TextMap settings;
  // All that variables are taken from, these included. Not part of the JSON either.
  TextMap variables;
  std::vector<Diagnostic> warnings;
};

}  // namespace pcompose::compose
