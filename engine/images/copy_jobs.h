// cp: the worker packs what is in one directory, or unpacks into one, and can reach nothing else.
#pragma once

#include <string>

#include "base/fd.h"
#include "engine/container_ids.h"

namespace pcompose::engine {

// What a copy is asked for: JSON on kRequestFd.
struct CopyRequest {
  std::string name, as;  // TreePart
  bool one_file_system = false;
  bool keep_owners = false;
  uint32_t uid = 0, gid = 0;  // of all that is made, where they are not kept
  ContainerIds ids;           // between those of the tar and those of the files
};
std::string write_copy_request(const CopyRequest& request);
CopyRequest read_copy_request(const std::string& text);

// `stream` gets the tar. Throws Error.
void copy_out(const CopyRequest& request, Fd directory, Fd stream);
// Reads a tar from `stream`. What is there is replaced; directories are merged. Links inside the
// directory are followed only within it. Throws Error naming the entry.
void copy_in(const CopyRequest& request, Fd directory, Fd stream);

}  // namespace pcompose::engine
