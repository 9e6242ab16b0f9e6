// Parts of a service that are plain records of compose attributes, under the attributes' own names.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pcompose::compose {

using Milliseconds = std::chrono::milliseconds;
using TextMap = std::map<std::string, std::string>;
// nullopt = unset it, even where the image sets it.
using EnvironmentMap = std::map<std::string, std::optional<std::string>>;

// A secret or config that a service may read. An absent target is the source's name.
struct Grant {
  std::string source;  // the key under `secrets:` or `configs:`
  std::string target;
  std::string uid, gid;
  std::optional<uint32_t> mode;  // nullopt = 0444
  Position position;
};

struct Ulimit {
  int64_t soft = 0;  // -1 = unlimited
  int64_t hard = 0;
};

// A device node of the host, or by CDI where `source` is vendor/class=name.
struct Device {
  std::string source, target;
  std::string permissions;  // "" = rwm
  Position position;
};

// gpus and deploy.resources.reservations.devices.
struct DeviceRequest {
  std::vector<std::string> capabilities;
  std::string count;  // a number or "all"; "" = by device_ids
  std::vector<std::string> device_ids;
  std::string driver;
  TextMap options;
};

// A command that runs beside a container's life: pre_start, post_start, pre_stop.
struct Hook {
  std::vector<std::string> command;
  std::string image;  // pre_start only
  std::string user;
  bool privileged = false;
  std::string working_dir;
  EnvironmentMap environment;
  bool per_replica = false;
  Position position;
};

struct Logging {
  std::string driver;
  TextMap options;
  Position position;
};

struct DeviceWeight {
  std::string path;
  int weight = 0;
};
struct DeviceRate {
  std::string path;
  int64_t rate = 0;  // bytes or operations a second
};
struct BlkioConfig {
  int weight = 0;  // 10..1000, 0 = not set
  std::vector<DeviceWeight> weight_device;
  std::vector<DeviceRate> device_read_bps, device_read_iops, device_write_bps, device_write_iops;
};

struct CredentialSpec {
  std::string config, file, registry;
};

// A program that stands for the service instead of a container.
struct Provider {
  std::string type;
  std::map<std::string, std::vector<std::string>> options;
};

struct ServiceModel {
  std::string endpoint_var, model_var;
};

struct Build {
  std::string context;  // a directory or a URL
  std::string dockerfile, dockerfile_inline;
  EnvironmentMap args;
  std::string target;
  TextMap labels;
  std::vector<std::string> tags;
  bool no_cache = false;
  std::vector<std::string> no_cache_filter;
  bool pull = false;
  std::vector<std::string> cache_from, cache_to;
  TextMap additional_contexts;
  std::vector<std::string> extra_hosts;
  std::string network;
  std::vector<Grant> secrets;
  std::vector<std::string> ssh;  // "default", "id=path"
  int64_t shm_size = 0;          // bytes
  std::map<std::string, Ulimit> ulimits;
  bool privileged = false;
  std::vector<std::string> entitlements;
  std::string isolation;
  std::vector<std::string> platforms;
  std::string provenance, sbom;
  Position position;
};

struct UpdateConfig {
  std::optional<int> parallelism;
  Milliseconds delay{0};
  std::string failure_action;
  Milliseconds monitor{0};
  double max_failure_ratio = 0;
  std::string order;
};

struct ResourceLimits {
  double cpus = 0;     // 0 = not set
  int64_t memory = 0;  // bytes
  int64_t pids = 0;
};

struct DiscreteResource {
  std::string kind;
  double value = 0;
};
struct GenericResource {
  DiscreteResource discrete_resource_spec;
};
struct Reservations {
  double cpus = 0;
  int64_t memory = 0;
  std::vector<GenericResource> generic_resources;
  std::vector<DeviceRequest> devices;
};
struct Resources {
  ResourceLimits limits;
  Reservations reservations;
};

struct DeployRestart {
  std::string condition;  // none | on-failure | any; "" = any
  std::optional<Milliseconds> delay, window;
  int max_attempts = 0;  // 0 = without end
};

struct PlacementPreference {
  std::string spread;
};
struct Placement {
  std::vector<std::string> constraints;
  std::vector<PlacementPreference> preferences;
  int max_replicas_per_node = 0;
};

struct Deploy {
  std::string mode, endpoint_mode;
  std::optional<int> replicas;
  TextMap labels;
  std::optional<UpdateConfig> update_config, rollback_config;
  Resources resources;
  std::optional<DeployRestart> restart_policy;
  std::optional<Placement> placement;
  Position position;
};

// What `watch` does when something below `path` changes.
struct WatchRule {
  std::string path, action, target;
  std::vector<std::string> ignore, include;
  std::optional<Hook> exec;
  bool initial_sync = false;
  Position position;
};
struct Develop {
  std::vector<WatchRule> watch;
};

}  // namespace pcompose::compose
