// The keeper's own program, kept from being written to.
#pragma once

namespace pcompose::keeper {

// Until a container's process executes its own program, /proc/PID/exe there is ours, and an image
// may name that file as its program, to open it for writing later (CVE-2019-5736). So we execute
// ourselves once more, from a read-only clone of the mount that we lie on: it is in nobody's
// namespace, so that nobody can make it writable again. Returns an errno value where that is not
// possible, 0 where it is so already; otherwise main() begins anew.
int execute_from_read_only_mount(char** argv, char** envp);

}  // namespace pcompose::keeper
