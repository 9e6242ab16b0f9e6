// How long a registry that says nothing, or next to nothing, is waited for.
#pragma once

#include <chrono>

namespace pcompose::engine {

struct Patience {
  std::chrono::seconds connect{30};
  std::chrono::seconds silence{60};  // with fewer than kTrickle bytes a second
  static constexpr long kTrickle = 128;

  // PCOMPOSE_REGISTRY_TIMEOUT: seconds of silence, 1 to 86400; connecting takes no longer. Throws
  // Error where it is no such number.
  static Patience from_environment();
};

}  // namespace pcompose::engine
