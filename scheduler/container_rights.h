// What a service's security attributes make of its container: capabilities, filter, limits of a
// process, system settings, devices, resources. Errors name the place in the file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compose/project.h"
#include "engine/spec.h"

namespace pcompose::scheduler {

// Docker's set with cap_add and cap_drop, all of them where it is privileged. Throws Error for an
// unknown name.
engine::Capabilities capabilities_of(const compose::Service& service);

engine::Capabilities all_capabilities();
// True where the file itself asks for CAP_MKNOD.
bool asks_for_mknod(const compose::Service& service);

// What security_opt asks for.
struct SecurityOptions {
  bool no_new_privileges = false;
  bool system_paths_unconfined = false;
  std::string apparmor_profile;  // "" = the host's default
  bool seccomp_unconfined = false;
  std::string seccomp_file;  // "" = the default profile
};
// Throws Error for an option that is not known or that this machine cannot keep.
SecurityOptions security_options_of(const compose::Service& service);

// The filter of every process in the container as bytes, "" for none; a profile that the service
// names is compiled into `cache_directory`. Throws Error.
std::string seccomp_of(const compose::Service& service, const std::string& project_directory,
                       const std::string& cache_directory);

// The same as rules; nothing where it is unconfined.
std::optional<engine::SeccompProfile> seccomp_profile_of(const compose::Service& service,
                                                         const std::string& project_directory);

// Fills in everything else: process limits, namespaces, masked paths, sysctls, devices, resources.
// Reads the host's device nodes. Throws Error.
void apply_rights(const compose::Service& service, engine::ContainerSpec& spec);

// The rules for devices that the service has besides the default ones (engine/cgroup.h).
std::vector<engine::DeviceRule> device_rules_of(const compose::Service& service,
                                                const std::vector<engine::Device>& devices);

// mem_limit and its like, deploy.resources where these are silent.
engine::Resources resources_of(const compose::Service& service);
// True where some cgroup file has to be written.
bool limits_anything(const engine::Resources& resources);
// The limits of one kind each (memory, cpu, pids, block_io) and where the file asks for it: what
// one of them cannot keep does not concern the others.
struct LimitPart {
  engine::Resources resources;
  std::string place;  // in the service: "mem_limit"
};
std::vector<LimitPart> parts_of(const compose::Service& service,
                                const engine::Resources& resources);

}  // namespace pcompose::scheduler
