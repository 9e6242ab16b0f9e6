// The container that `run` makes: a service with what the command line says over it. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compose/interpolate.h"
#include "compose/project.h"

namespace pcompose::scheduler {

// As the options of `run` were written; empty is not given.
struct OneOffOptions {
  std::vector<std::string> command;
  std::optional<std::string> entrypoint;  // "" resets the service's and the image's
  std::vector<std::string> environment;   // K=V, or K from `lookup`
  std::vector<std::pair<std::string, std::string>> env_files;  // path, content
  std::vector<std::string> labels, volumes, publish, cap_add, cap_drop;
  std::string name, user, working_dir;
  bool service_ports = false, use_aliases = false, no_deps = false;
  bool terminal = false, interactive = true;
};

constexpr const char* kOneOffLabel = "com.docker.compose.oneoff";

// The service as it is to run; its container_name is set: the one asked for, or
// PROJECT-SERVICE-run-`suffix`. No restart policy, no published ports, no aliases, no fixed
// addresses unless the options ask for them. `directory` is what relative paths of volumes are
// relative to. Throws Error for a service that does not exist and for options that cannot be read.
compose::Service one_off(const compose::Project& project, const std::string& service,
                         const OneOffOptions& options, const compose::Lookup& lookup,
                         const std::string& suffix, const std::string& directory);

}  // namespace pcompose::scheduler
