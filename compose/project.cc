#include "compose/project.h"

namespace pcompose::compose {

Position Service::origin(const std::string& path) const {
  std::string at = path;
  while (!at.empty()) {
    if (auto it = origins.find(at); it != origins.end()) return it->second;
    size_t end = at.find_last_of(".[");
    at.resize(end == std::string::npos ? 0 : end);
  }
  return position;
}

std::string Project::network_name(const std::string& network) const {
  if (auto it = networks.find(network); it != networks.end()) return it->second.name;
  if (network.starts_with(kJoinedByMode)) return network.substr(kJoinedByMode.size());
  return name + "_" + network;
}

}  // namespace pcompose::compose
