// Limits of a container that runs already.
#pragma once

#include <string>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

// `resources` as JSON (linux.resources of config.json), "-" is stdin. Throws Error.
Resources read_resources(const std::string& file);

// What is named is changed, the rest stays. Throws Error.
void update_container(const std::string& root, const std::string& id, const Resources& resources);

enum class Run { paused, resumed };
void pause_container(const std::string& root, const std::string& id, Run how);

}  // namespace pcompose::engine::runtime
