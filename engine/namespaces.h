// What a process shares with others, by /proc.
#pragma once

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace pcompose::engine {

// All processes in the pid namespace of `init`, by our own pids: pid_namespaces(7). Reads all of
// /proc, some milliseconds where there are thousands. What ends meanwhile, and what we may not look
// into (ptrace(2), "Ptrace access mode checking"), is left out.
std::vector<pid_t> processes_in_namespace_of(pid_t init);

// CLONE_NEW… of the namespaces (mnt, pid, net, ipc, uts, cgroup, user) that it does not share with
// us. One that it shares need not be entered, and may not be where it is not our user namespace's
// (setns(2)).
uint64_t namespaces_apart_from_ours(pid_t pid);

}  // namespace pcompose::engine
