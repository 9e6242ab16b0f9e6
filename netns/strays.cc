// NetworkWorker's search for what no row knows: somebody removed the database of a root that was
// up, or put an older one back.
#include <algorithm>

#include "netns/attempt.h"
#include "netns/network_worker.h"
#include "netns/run_lock.h"

namespace pcompose::netns {

// Rows come before bridges and go after them, so under the lock each bridge has one.
std::vector<std::string> NetworkWorker::stray_bridges() {
  std::vector<std::string> out = kernel_.links_of(roots_.tag);
  auto rows = store_.networks();
  std::erase_if(out, [&](const std::string& name) {
    return std::ranges::find(rows, name, &NetworkRow::bridge) != rows.end();
  });
  return out;
}

bool NetworkWorker::has_stray_table() {
  if (!firewall_.table_exists()) return false;
  auto links = kernel_.links();
  return std::ranges::none_of(store_.networks(),
                              [&](const NetworkRow& row) { return links.contains(row.bridge); });
}

std::vector<std::string> NetworkWorker::strays() {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  std::vector<std::string> out;
  for (const std::string& name : stray_bridges()) out.push_back("the bridge " + name);
  if (has_stray_table()) out.push_back("the nftables table inet " + roots_.tag);
  return out;
}

std::vector<Error> NetworkWorker::remove_strays() {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  std::vector<Error> errors;
  attempt(errors, [&] {
    for (const std::string& name : stray_bridges()) kernel_.delete_bridge(name);
  });
  attempt(errors, [&] {
    if (has_stray_table()) forget_table();
  });
  return errors;
}

}  // namespace pcompose::netns
