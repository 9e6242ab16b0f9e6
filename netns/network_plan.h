// From what is asked of a network to its row, without a look at the host: pure. Private to the
// room.
#pragma once

#include "netns/networks.h"

namespace pcompose::netns {

// Subnets and gateways as far as the specification says them. Throws Error: what is wrong, and what
// would be right.
struct NetworkPlan {
  std::optional<Prefix> subnet;
  std::optional<Ipv4> gateway;
  std::optional<Prefix6> subnet6;
  std::optional<Ipv6> gateway6;
  NetworkOptions options;
  std::string bridge;  // "" = made from the id
};
NetworkPlan plan_network(const NetworkSpec& spec);

}  // namespace pcompose::netns
