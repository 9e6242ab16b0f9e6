// The worker gives its rights up before it reads a stranger's first byte.
#pragma once

#include <vector>

#include "base/fd.h"

namespace pcompose::engine {

enum class Confinement { full, none };
enum class Network { none, connect };

struct Rights {
  std::vector<int> writable;  // directories: everything beneath, but executing
  std::vector<int> readable;  // directories and files
  Network network = Network::none;
};

// No new privileges, and only the system calls that the worker makes: others fail with EPERM, and
// those that a stranger's code would want (execve, ptrace, mount, …) end the process. Files only as
// `rights` say; without Network::connect no connection where the kernel's landlock knows them, and
// no listening in any case (landlock(7)). Descriptors that are open stay usable. Returns none where
// the kernel has no landlock. Throws Error. Call it while there is one thread: threads made later
// inherit it.
Confinement confine(const Rights& rights);

// The part about system calls: seccomp(2). For confine() and tests.
void allow_system_calls(Network network);

// What finding hosts and checking certificates reads: resolver(5), nsswitch.conf(5), the system's
// authorities, the C library's modules. Opened for Rights::readable; what is missing is left out.
std::vector<Fd> open_network_files();

}  // namespace pcompose::engine
