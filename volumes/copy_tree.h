// The content of a directory of an image, copied into a volume.
#pragma once

#include <cstddef>

namespace pcompose::volumes {

// Copies what the directory `from` holds, and its own owner, mode, time and attributes, into the
// empty directory `to`. Goes by descriptors and follows no link, so nothing outside of `from` is
// read whatever it contains. Other file systems mounted in it are left out, sockets too. Returns
// the number of entries. Throws Error; `to` is then incomplete.
size_t copy_tree(int from, int to);

}  // namespace pcompose::volumes
