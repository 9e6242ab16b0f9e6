// A directory of files as a tar: what `image import` makes a layer of.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "engine/container_ids.h"
#include "engine/images/stream.h"

namespace pcompose::engine {

// Everything beneath `directory`, sorted by name, with owners, times, extended attributes, hard
// links and devices; no link is followed. Sockets are left out. The stream throws Error where a
// file changes its length meanwhile.
std::unique_ptr<ByteStream> tar_of_tree(Fd directory);

// What of a directory goes into the tar, and what it is called there.
struct TreePart {
  std::string name;              // a name in the directory; "" is all that is in it
  std::string as;                // instead of `name`; "" with an empty name only
  bool one_file_system = false;  // what is mounted beneath is an empty directory
  ContainerIds ids;              // the tar has those inside; empty: the files' own
};
// As tar_of_tree().
std::unique_ptr<ByteStream> tar_of_part(Fd directory, TreePart part);

}  // namespace pcompose::engine
