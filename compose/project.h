// The typed Project: what should be. Plain data; made by load(), sent to the supervisor as JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"

namespace pcompose::compose {

using Milliseconds = std::chrono::milliseconds;

// A published port, one host port to one container port (ranges are already expanded).
struct Port {
  std::string host_ip;                // "" = every address of the host
  std::optional<uint16_t> published;  // nullopt = an ephemeral port
  uint16_t published_end = 0;         // above `published`: any free one of published..published_end
  uint16_t target = 0;
  std::string protocol = "tcp";  // tcp | udp
  Position position;
};

enum class MountType { volume, bind, tmpfs };

struct Mount {
  MountType type = MountType::volume;
  std::string
      source;  // volume: the key under `volumes:` ("" = anonymous); bind: an absolute host path
  std::string target;  // absolute path in the container
  bool read_only = false;
  bool create_host_path = true;  // bind: make a missing source directory
  bool nocopy = false;           // volume: no first-use copy from the image
  std::string propagation;       // bind: "", rprivate, rslave, rshared, …
  int64_t tmpfs_size = 0;        // bytes, 0 = the kernel's default
  uint32_t tmpfs_mode = 0;       // 0 = 1777
  Position position;
};

enum class Condition { service_started, service_healthy, service_completed_successfully };

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
  std::vector<std::string> test;  // {"CMD", …} or {"CMD-SHELL", "…"}; empty = the image's
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
  std::string ipv4_address;  // "" = dynamic
  Position position;
};

struct Service {
  std::string name;
  std::string image;
  std::string container_name;                          // "" = <project>-<service>-<number>
  std::optional<std::vector<std::string>> command;     // nullopt = the image's
  std::optional<std::vector<std::string>> entrypoint;  // nullopt = the image's
  std::map<std::string, std::optional<std::string>>
      environment;  // nullopt = unset it, even the image's
  std::vector<Port> ports;
  std::vector<std::string> expose;  // "80", "80/udp", "8000-8010"
  std::vector<Mount> volumes;
  std::vector<ServiceNetwork> networks;  // in the file's order; `default` where none is written
  std::string network_mode;              // "" | none | host
  std::vector<Dependency> depends_on;
  std::optional<HealthCheck> healthcheck;
  RestartPolicy restart;
  bool init = false;
  bool tty = false;
  bool stdin_open = false;
  bool read_only = false;
  std::string user;
  std::string working_dir;
  std::string hostname;
  std::string stop_signal;                        // "" = the image's, then SIGTERM
  std::optional<Milliseconds> stop_grace_period;  // nullopt = 10 s
  std::map<std::string, std::string> labels;
  std::vector<std::string> profiles;
  int scale = 1;

  Position position;  // of the key `web:` under `services:`
  // Where each part came from, by its path in the service: "image", "environment.DEBUG",
  // "ports[0]".
  std::map<std::string, Position> origins;
  // The place of `path`, or of the nearest thing around it, or of the service.
  [[nodiscard]] Position origin(const std::string& path) const;
};

struct Network {
  std::string key;   // under `networks:`
  std::string name;  // <project>_<key>, or as written
  bool external = false;
  bool internal = false;
  std::string driver = "bridge";
  std::string subnet;   // "" = from the pool
  std::string gateway;  // "" = the subnet's first address
  std::map<std::string, std::string> labels;
  Position position;
};

struct Volume {
  std::string key;
  std::string name;  // <project>_<key>, or as written
  bool external = false;
  std::string driver = "local";
  std::map<std::string, std::string> labels;
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
  std::map<std::string, Volume> volumes;
  std::vector<Diagnostic> warnings;
};

}  // namespace pcompose::compose
