// The lowest layer of every container: empty files and directories where its own are mounted, for
// images that lack them. One for all; otherwise each container would get inodes of its own for
// them, and so would what is committed from it.
#pragma once

#include <string>

namespace pcompose::engine {

// From the image store's links, which the names of layers are relative to.
constexpr const char* kMountPoints = "../cache/mount-points";

// Makes it below `state` where it is not there yet. Throws Error.
void make_mount_points(const std::string& state);

}  // namespace pcompose::engine
