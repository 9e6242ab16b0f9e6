// A seccomp profile of config.json becomes a filter.
#pragma once

#include <string>

#include "engine/spec.h"

namespace pcompose::engine::runtime {

struct CompiledFilter {
  std::string bytes;   // struct sock_filter[]
  uint32_t flags = 0;  // SECCOMP_FILTER_FLAG_…
  bool notifies = false;
};

// Compiles it, or takes it from `cache_directory` (made where it is missing), where it lies under a
// digest of all that decides it. System calls that this libseccomp does not know are left to the
// default action. Throws Error with the place in config.json.
CompiledFilter compile_seccomp(const SeccompProfile& profile, const std::string& cache_directory);

// What features says: the names there are.
const std::vector<std::string>& seccomp_actions();
const std::vector<std::string>& seccomp_operators();
const std::vector<std::string>& seccomp_architectures();
const std::vector<std::string>& seccomp_flags();

}  // namespace pcompose::engine::runtime
