// Files from one directory to another, their bytes and their attributes.
#pragma once

#include <string>
#include <sys/stat.h>

namespace pcompose {

// All of `from` into the empty file `to`: by reflink (ioctl_ficlonerange(2)), else by
// copy_file_range(2), else by hand. Throws Error.
void copy_bytes(int from, int to);

// Extended attributes that mean something outside of `from`'s file system: user.*, file
// capabilities and access lists. What `to` cannot hold is left out. Throws Error.
void copy_attributes(int from, int to);

// Owner, mode and modification time as `like` has them. Throws Error naming `name`.
void copy_status(int to, const struct stat& like, const std::string& name);

// Makes `name` in the directory `to` what it is in `from`, by `status`: a file, a link, a FIFO or a
// device. Left out are sockets, overlays' whiteouts, and devices where they cannot be made. Throws
// Error.
void copy_entry(int from, int to, const std::string& name, const struct stat& status);

}  // namespace pcompose
