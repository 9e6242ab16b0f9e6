// The default seccomp filter.
#pragma once

#include <string>

#include "engine/spec.h"

namespace pcompose::engine {

// The rules themselves, for runtimes of others.
SeccompProfile default_seccomp_profile(CapabilitySet bounding);

// The filter for a container with these bounding capabilities as bytes (struct sock_filter[], at
// most 4096 instructions): what Docker's default profile allows. Compiled by libseccomp as a binary
// tree for the native architecture and its 32-bit relatives; takes about 25 ms, so it is kept in
// `cache_directory` under a digest of all that decides it (rules, capabilities, library, kernel
// release). Throws Error.
std::string default_seccomp_filter(const Capabilities& capabilities,
                                   const std::string& cache_directory);

// The filter of a libseccomp context as bytes. Throws Error.
std::string export_seccomp_filter(void* context);

}  // namespace pcompose::engine
