// Directories by descriptor: what is in one, and the removal of a whole tree.
#pragma once

#include <string>
#include <vector>

namespace pcompose {

// All names but "." and "..". The directory's position does not matter, nor does O_PATH. Throws
// Error.
std::vector<std::string> directory_entries(int directory);

// Removes `name` in the directory `parent` and what is beneath it, without following a link and
// however deep it is. A missing `name` is fine. Interrupted, it leaves a part of the tree. Throws
// Error.
void remove_tree(int parent, const std::string& name);

}  // namespace pcompose
