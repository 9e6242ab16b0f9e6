// From a service and its image to the OCI description of a container. Pure but for reading nothing
// at all.
#pragma once

#include <string>
#include <vector>

#include "compose/project.h"
#include "engine/images.h"
#include "engine/spec.h"
#include "netns/network_store.h"
#include "scheduler/name_table.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {

struct ContainerPaths {
  std::string links;       // of the image store
  std::string state;       // upper, work, log
  std::string run;         // hosts, hostname, resolv.conf, FIFOs
  std::string mountpoint;  // any directory; the mount namespace is the container's own
};

// The command that runs: entrypoint and command of the service over the image's, as docker combines
// them.
std::vector<std::string> command_of(const compose::Service& service,
                                    const engine::ImageConfig& image);

// The environment: image, then service; a service value without text unsets. PATH, HOSTNAME and
// HOME where missing.
std::vector<std::string> environment_of(const compose::Service& service,
                                        const engine::ImageConfig& image,
                                        const std::string& hostname, const std::string& home);

// Puts "K=V" in the place of another value of K.
void put_variable(std::vector<std::string>& environment, const std::string& variable);

std::string hostname_of(const compose::Service& service, const std::string& container_id);

// Everything that is known before it starts. Process ids, late mounts and descriptors are filled in
// by the caller.
engine::ContainerSpec describe_container(const compose::Service& service,
                                         const engine::Image& image,
                                         const std::string& container_id,
                                         const ContainerPaths& paths);

// /etc/hosts of a container on these networks; `extra` are lines of its own.
std::string hosts_file(const std::string& hostname,
                       const std::vector<netns::EndpointRow>& endpoints, const std::string& extra);
// extra_hosts as lines; `host-gateway` becomes `host_address`. Throws Error where there is none.
std::string extra_hosts_of(const compose::Service& service, const std::string& host_address);
// /etc/resolv.conf: our own server where it has one, else what `dns` says, else the host's text.
std::string resolv_file(const compose::Service& service, bool own_dns, const std::string& of_host);
// links and dns. Throws Error for a `dns` that is no address.
NameTable::Own own_names_of(const compose::Service& service);

// The health check: the service's fields over the image's, one by one. nullopt: none or disabled.
struct Probe {
  // http and tcp are done by ourselves, in the container's network namespace.
  enum class Kind { command, http, tcp } kind = Kind::command;
  std::vector<std::string> args;  // http: the URL; tcp: the port
  HealthSettings settings;
};
std::optional<Probe> probe_of(const compose::Service& service, const engine::ImageConfig& image);

// "SIGTERM", "TERM", "15" -> 15. Throws Error.
int signal_number(const std::string& name);
// The service's, the image's, SIGTERM.
int stop_signal_of(const compose::Service& service, const engine::ImageConfig& image);

// Ports the service or its image exposes, tcp only: "where it listens" for the health guard.
std::vector<uint16_t> exposed_tcp_ports(const compose::Service& service,
                                        const engine::ImageConfig& image);

}  // namespace pcompose::scheduler
