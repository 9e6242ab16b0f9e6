// Bytes and attributes from one file to another.
#pragma once

#include <string>
#include <sys/stat.h>

namespace pcompose::volumes {

// Everything that is left in `from`, by copy_file_range(2) where the file systems allow it. Throws
// Error.
void copy_bytes(int from, int to);

// Extended attributes that mean something outside of `from`'s file system: user.*, file
// capabilities and access lists. What `to` cannot hold is left out. Throws Error.
void copy_attributes(int from, int to);

// Owner, mode and modification time as `like` has them. Throws Error naming `name`.
void copy_status(int to, const struct stat& like, const std::string& name);

}  // namespace pcompose::volumes
