#include "scheduler/name_table.h"

namespace pcompose::scheduler {

void NameTable::rebuild(const std::vector<netns::EndpointRow>& endpoints,
                        const std::vector<netns::NetworkRow>& networks,
                        const std::set<std::string>& hidden) {
  networks_.clear();
  scopes_.clear();
  for (const auto& n : networks) networks_[n.id].internal = n.reach == netns::Reach::internal;
  for (const auto& e : endpoints) {
    scopes_[e.container.substr(0, 12)].push_back(e.network);
    if (hidden.contains(e.container)) continue;
    Network& network = networks_[e.network];
    for (const std::string& name : e.names) network.names[name].push_back(e.address);
    network.addresses[e.address] = e.replica;
  }
}

std::optional<std::vector<netns::Ipv4>> NameTable::find(const std::string& scope,
                                                        const std::string& asked) {
  std::optional<std::vector<netns::Ipv4>> out;
  std::string name = asked;
  if (auto own = own_.find(scope); own != own_.end()) {
    auto link = own->second.links.find(asked);
    if (link != own->second.links.end()) name = link->second;
  }
  for (const std::string& id : scopes_[scope]) {
    const auto& names = networks_[id].names;
    auto found = names.find(name);
    if (found == names.end()) continue;
    if (!out) out.emplace();
    out->insert(out->end(), found->second.begin(), found->second.end());
  }
  return out;
}

std::vector<asio::ip::address> NameTable::servers(const std::string& scope) {
  auto own = own_.find(scope);
  return own == own_.end() ? std::vector<asio::ip::address>() : own->second.servers;
}

std::optional<std::string> NameTable::reverse(const std::string& scope, netns::Ipv4 address) {
  for (const std::string& id : scopes_[scope]) {
    const auto& addresses = networks_[id].addresses;
    auto found = addresses.find(address);
    if (found != addresses.end()) return found->second;
  }
  return std::nullopt;
}

bool NameTable::may_leave(const std::string& scope) {
  for (const std::string& id : scopes_[scope]) {
    if (!networks_[id].internal) return true;
  }
  return false;
}

}  // namespace pcompose::scheduler
