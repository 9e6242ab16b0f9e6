// Copies files in and out of a directory by the worker program, which parses what strangers wrote.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/roots.h"
#include "engine/container_ids.h"

namespace pcompose::engine {

enum class Owners { keep, given };

// A directory, and what of it is meant. With an empty name it is all that the directory holds.
struct CopySource {
  Fd directory;
  std::string name, as;
  bool one_file_system = false;
  ContainerIds ids;  // whose files they are: the tar has the container's ids
};
struct CopyTarget {
  Fd directory;
  Owners owners = Owners::given;
  uint32_t uid = 0, gid = 0;
  ContainerIds ids;  // whose files they become: all ids are the container's
};

// Each blocks, and throws the worker's Error.
void copy(const Roots& roots, const CopySource& source, const CopyTarget& target);
// A tar to `stream`, or from it; a file, a pipe or a terminal.
void copy_to_stream(const Roots& roots, const CopySource& source, int stream);
void copy_from_stream(const Roots& roots, int stream, const CopyTarget& target);

}  // namespace pcompose::engine
