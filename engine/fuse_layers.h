// Layers under a writable one by fuse-overlayfs(1), where the kernel's overlayfs refuses.
//
// The program mounts in a mount namespace of its own. The mount is taken out of there, so that it
// lives as long as whoever it is given to: with the last namespace that has it the kernel ends the
// file system, and the program with it, whoever else has died meanwhile.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/fd.h"
#include "base/pidfd.h"
#include "engine/plan.h"
#include "engine/spec.h"

namespace pcompose::engine {

// Where the program is; "" where it is not installed or /dev/fuse cannot be opened.
std::string fuse_program();

// Starts it for `root`; its messages go to `output`. Ends when the program runs, which is before
// it has mounted.
Plan fuse_plan(const std::string& program, const Root& root, int output);

// Waits until the program has mounted upon `path` and takes the mount away from it, as of
// open_tree(2). Blocks, and enters its mount namespace: for a thread that ends after it. Throws
// Error where the program ends before, or takes more than half a minute.
Fd take_fuse_mount(pid_t pid, const Pidfd& program, const std::string& path);

// As open_writable_layers() (engine/merged_layers.h); for a moment upon `empty`. The file system
// ends with what is opened in it. Throws Error.
Fd open_fuse_layers(const Root& root, const std::string& empty);

}  // namespace pcompose::engine
