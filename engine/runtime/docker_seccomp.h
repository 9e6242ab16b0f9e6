// A seccomp profile in Docker's format (`security_opt: seccomp=FILE`).
#pragma once

#include "engine/runtime/json_reader.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// As the OCI format, but rules may hold under conditions (capabilities, architectures, the kernel's
// version) and architectures come with those below them (archMap). Rules whose conditions these
// capabilities, this machine or this kernel do not meet are left out. Throws Error with the place.
SeccompProfile parse_docker_seccomp(const JsonNode& node, CapabilitySet capabilities);

}  // namespace pcompose::engine::runtime
