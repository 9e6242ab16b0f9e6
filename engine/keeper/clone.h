// New processes of the keeper, and its clock.
#pragma once

#include <stdint.h>

#include "engine/launch/wire.h"

namespace pcompose::keeper {

int64_t monotonic_ms();
// The first clone of a launch: 0 in the child, its pid, or -1 with errno.
long clone_child(const launch::PlanHeader& head, int* pidfd);
// A plan that was too long for a message; nullptr where it is none.
const uint8_t* map_memfd(int fd, uint32_t* size);
// Starts a program that gets `socket` as kSupervisorFd and nothing else. Its pid, or -1 with errno.
long start_program(char** argv, char** environment, int socket, int* pidfd);
// A session of its own, no signal of a terminal, /dev/null for stdio.
void leave_the_starter();

}  // namespace pcompose::keeper
