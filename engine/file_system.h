// What a directory's file system is called.
#pragma once

#include <string>

namespace pcompose::engine {

// "ext4", "overlay", as /proc/filesystems has them: the type of the mount that `path` is on
// (proc_pid_mountinfo(5)). "unknown" where it cannot be told.
std::string file_system_of(const std::string& path);

}  // namespace pcompose::engine
