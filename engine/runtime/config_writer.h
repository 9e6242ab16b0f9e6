// A description as config.json, for OCI runtimes of others.
#pragma once

#include <string>

#include "base/json.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Everything that the keeper's containers have; `root` is where the root lies when the runtime is
// started. Bind mounts are left out: they are in the root already. Namespaces that are joined are
// named by our own descriptors (/proc/PID/fd/N), so they must be open until then. Pure.
json::object config_of(const ContainerSpec& spec, const std::string& root);

// process of config.json, also what `exec --process` reads.
json::object process_json(const Process& process);

}  // namespace pcompose::engine::runtime
