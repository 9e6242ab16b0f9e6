// The child between clone3(2) and execve(2).
#pragma once

#include <stdint.h>

#include "engine/launch/wire.h"

namespace pcompose::launch {

// Plain data the child runs on; all of it lives in memory that clone3 copied.
struct ChildStart {
  const uint8_t* plan = nullptr;
  const int* fds = nullptr;  // the plan's descriptors, by number
  int fd_count = 0;
  int channel = -1;  // SOCK_SEQPACKET to the keeper: reports out, the start plan in
};

// True where every offset and count of the plan lies inside it. The keeper checks before it clones,
// so that the child may follow offsets blindly.
bool plan_is_sound(const uint8_t* plan, uint32_t size, int fd_count);

// Carries the plan out. Never returns: the program runs, or a Report was sent and the process ends.
[[noreturn]] void run_child(const ChildStart& start);

}  // namespace pcompose::launch
