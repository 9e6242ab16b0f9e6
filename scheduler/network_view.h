// What `network` commands do: the networks of the root, whichever project made them. Blocking; no
// supervisor is needed but for connect and disconnect.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/roots.h"
#include "compose/project.h"

namespace pcompose::scheduler {

struct NetworkMember {
  std::string container, name, project, mac;
  std::string address, address6;  // with prefix length; "" = none
};

struct NetworkPool {
  std::string subnet, gateway, ip_range;
  std::map<std::string, std::string> aux;
};

struct NetworkView {
  std::string id, name, project, driver, bridge;
  int64_t created_ns = 0;
  bool ipv4 = true, ipv6 = false, internal = false, attachable = false;
  std::vector<NetworkPool> pools;
  std::map<std::string, std::string> labels, options;
  std::vector<NetworkMember> members;
};

// By name. Throws Error.
std::vector<NetworkView> view_networks(const Roots& roots);
// By name, id or the beginning of an id. Throws Error where there is none.
NetworkView find_network(const Roots& roots, const std::string& wanted);

// Makes a network that no project owns; `network` as a compose file would have it. Returns its id.
// Throws Error.
std::string make_network(const Roots& roots, const compose::Network& network);
// Throws Error where containers are on it.
void remove_network(const Roots& roots, const std::string& name);
// Networks that nothing is on and no project that exists has; their names.
std::vector<std::string> prune_networks(const Roots& roots);
// Bridges and rules of this root in the host's kernel that no row knows; needs root, and is empty
// for an ordinary user, whose are in a namespace that ends with its holder. Throws Error.
std::vector<std::string> stray_networks(const Roots& roots);
// Removes them, and says which.
std::vector<std::string> remove_stray_networks(const Roots& roots);

// The project of a container, by its name or id. Throws Error where there is none.
struct ContainerPlace {
  std::string project, name;
};
ContainerPlace find_container(const Roots& roots, const std::string& wanted);

}  // namespace pcompose::scheduler
