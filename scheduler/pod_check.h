// What cannot be in a pod. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compose/project.h"

namespace pcompose::scheduler {

// The ports that images expose, by service: "80/tcp", "53/udp", "8000-8010/tcp".
using ImagePorts = std::map<std::string, std::vector<std::string>>;

// Throws ComposeError with everything that clashes where all services have one address and one host
// name: declared ports, several replicas of who declares one, addresses, host names, networks.
void check_pod(const compose::Project& project, const ImagePorts& exposed);

}  // namespace pcompose::scheduler
