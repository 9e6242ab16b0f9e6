// What a keeper hands to the program that takes its place: execve(2) keeps the pid, the children
// and the descriptors that are not closed on exec.
#pragma once

#include "engine/keeper/tables.h"

namespace pcompose::keeper {

constexpr uint32_t kHandoverVersion = 1;  // raise with every change of this file or of the tables

// In front of the records of both tables, in a memfd.
struct Handover {
  uint32_t version = kHandoverVersion;
  uint32_t plan_magic = 0;  // of whom the parked children are
  uint32_t processes = 0, descriptors = 0;
  int32_t socket_fd = 0, supervisor_pidfd = 0, supervisor_pid = 0;
  int32_t supervisor_is_child = 0;
};

// Writes it all; 0 and the memfd, or -1.
int write_handover(Handover head, Processes& processes, Descriptors& descriptors);
// Reads it into empty tables. False where another version wrote it: then nobody knows what the
// descriptors are.
bool read_handover(int memory, Handover& head, Processes& processes, Descriptors& descriptors);

// Executes own_argv[0] with what write_handover() made; returns where that fails.
void execute_successor(char** own_argv, int memory, char** supervisor_argv, char** environment);
// Kills parked children: they know only the plans of the program that cloned them.
void give_up_parked(Processes& processes);

enum class OnExec { stays, closes };
// Whether all that was handed over is still open after the next execve(2).
void set_on_exec(OnExec how, const Handover& head, Processes& processes, Descriptors& descriptors);

}  // namespace pcompose::keeper
