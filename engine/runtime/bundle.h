// A bundle: config.json with what it names looked up on this machine.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "engine/runtime/control_group.h"
#include "engine/spec.h"

namespace pcompose::engine::runtime {

// Owns what the description borrows.
struct Bundle {
  std::string directory;  // absolute
  std::string config;     // the text of config.json
  ContainerSpec spec;
  std::vector<Fd> held;
};

// Reads DIRECTORY/FILE, makes paths absolute, opens namespaces and finds the mounts' sources.
// Throws Error.
Bundle load_bundle(const std::string& directory, const std::string& file);

// Fills in what depends on the container's groups and on the compiled filter.
void complete_bundle(Bundle& bundle, const ControlGroup& group, const std::string& filter_cache);

// The processes' user's home by the root's /etc/passwd, where the environment has no HOME.
void add_home(Process& process, int root);

}  // namespace pcompose::engine::runtime
