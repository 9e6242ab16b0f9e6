// Our own program, out of the container's reach.
#pragma once

namespace pcompose::engine::runtime {

// A program inside can make the kernel execute /proc/self/exe, which before its own execve(2) is
// ours, and so come by a descriptor of our file (CVE-2019-5736). Executed from a read-only mount of
// its own, that file cannot be opened for writing through it. Executes this program again that way,
// unless it is so already; returns where it is, or where the kernel lets us make no such mount: an
// ordinary user of the host, whose file is no more than the user's own.
void execute_from_read_only_mount(char** argv);

}  // namespace pcompose::engine::runtime
