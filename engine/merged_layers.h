// An image's layers as one tree to read.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"

namespace pcompose::engine {

// Gives the calling thread a mount namespace and a working directory of its own and mounts the
// layers there, read-only, on `empty`, an empty directory: the mount ends with the thread. `links`
// and `lower` are Root's. Returns its root. Throws Error.
Fd open_merged_layers(const std::string& links, const std::vector<std::string>& lower,
                      const std::string& empty);

// The same with a writable layer above them; mounted upon `upper`. The trusted. or user. attributes
// are those of the caller's rights.
Fd open_writable_layers(const std::string& links, const std::vector<std::string>& lower,
                        const std::string& upper, const std::string& work);

}  // namespace pcompose::engine
