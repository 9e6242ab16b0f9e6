// The leak census: what the kernel and the disk hold for us, before and after.
#pragma once

#include <map>
#include <string>

namespace pcompose::test {

// Kind of thing -> what there is of it, as text. Two censuses are equal where nothing was left
// behind.
using Census = std::map<std::string, std::string>;

// Mounts, links, namespaces, cgroups, nftables objects, processes of ours, files in /run and in the
// containers' part of `root`. Seen from the calling thread's namespaces.
Census take_census(const std::string& root);

// Namespaces and links go asynchronously: waits up to five seconds for the census to be `before`
// again. Returns what differs, "" where nothing does.
std::string difference_from(const Census& before, const std::string& root);

}  // namespace pcompose::test
