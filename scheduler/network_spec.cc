#include "scheduler/network_spec.h"

namespace pcompose::scheduler {

netns::NetworkSpec network_spec(const compose::Network& network, const std::string& project) {
  netns::NetworkSpec spec;
  spec.name = network.name;
  spec.project = project;
  spec.key = network.key;
  for (const auto& p : network.pools) {
    spec.pools.push_back({p.subnet, p.gateway, p.ip_range, p.aux_addresses});
  }
  spec.reach = network.internal ? netns::Reach::internal : netns::Reach::outside;
  spec.labels = network.labels;
  spec.ipv4 = network.enable_ipv4.value_or(true);
  spec.ipv6 = network.enable_ipv6.value_or(false);
  spec.attachable = network.attachable;
  if (network.driver != "default") spec.driver = network.driver;
  spec.driver_opts = network.driver_opts;
  return spec;
}

}  // namespace pcompose::scheduler
