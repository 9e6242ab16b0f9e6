#include "scheduler/name_table.h"

#include "netns/endpoint_names.h"

namespace pcompose::scheduler {
namespace {

// As docker's own, and podman's.
bool is_host_name(const std::string& name) {
  return name == "host.docker.internal" || name == "host.containers.internal";
}

void add(netns::Found& to, const netns::EndpointRow& e, bool last) {
  if (e.address) (last ? to.v4_last : to.v4).push_back(*e.address);
  if (e.address6) (last ? to.v6_last : to.v6).push_back(*e.address6);
}

void append(netns::Found& to, const netns::Found& more) {
  to.v4.insert(to.v4.end(), more.v4.begin(), more.v4.end());
  to.v4_last.insert(to.v4_last.end(), more.v4_last.begin(), more.v4_last.end());
  to.v6.insert(to.v6.end(), more.v6.begin(), more.v6.end());
  to.v6_last.insert(to.v6_last.end(), more.v6_last.begin(), more.v6_last.end());
}

}  // namespace

void NameTable::rebuild(const std::vector<netns::EndpointRow>& endpoints,
                        const std::vector<netns::NetworkRow>& networks,
                        const std::set<std::string>& hidden,
                        const std::set<std::string>& unhealthy) {
  networks_.clear();
  scopes_.clear();
  for (const auto& n : networks) {
    Network& network = networks_[n.id];
    network.internal = n.reach == netns::Reach::internal;
    if (n.options.driver != netns::Driver::bridge) continue;  // its gateway is another machine
    if (n.ipv4) network.host.v4 = {n.gateway};
    if (n.subnet6) network.host.v6 = {n.gateway6};
  }
  for (const auto& e : endpoints) {
    auto& scope = scopes_[e.container.substr(0, 12)];
    scope.insert(e.is_default ? scope.begin() : scope.end(), e.network);
    Network& network = networks_[e.network];
    for (const std::string& name : e.names) {
      netns::Found& found = network.names[name];
      if (!hidden.contains(e.container)) add(found, e, unhealthy.contains(e.container));
    }
    if (hidden.contains(e.container)) continue;
    if (e.address) network.addresses[*e.address] = e.replica;
    if (e.address6) network.addresses[*e.address6] = e.replica;
  }
}

void NameTable::know(const std::string& network, const std::vector<std::string>& names) {
  auto found = networks_.find(network);
  if (found == networks_.end()) return;
  for (const std::string& name : netns::lower_case(names)) found->second.names.try_emplace(name);
}

std::optional<netns::Found> NameTable::find_host(const std::string& scope) {
  for (const std::string& id : scopes_[scope]) {
    const netns::Found& host = networks_[id].host;
    if (!host.v4.empty() || !host.v6.empty()) return host;
  }
  return std::nullopt;
}

void NameTable::refresh() {
  if (std::exchange(expired_, false) && bring) bring();
}

std::optional<netns::Found> NameTable::find(const std::string& scope, const std::string& asked) {
  refresh();
  std::optional<netns::Found> out;
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
    append(*out, found->second);
  }
  return !out && is_host_name(name) ? find_host(scope) : out;
}

std::vector<asio::ip::address> NameTable::servers(const std::string& scope) {
  auto own = own_.find(scope);
  return own == own_.end() ? std::vector<asio::ip::address>() : own->second.servers;
}

std::optional<std::string> NameTable::reverse(const std::string& scope, const netns::Ip& address) {
  refresh();
  for (const std::string& id : scopes_[scope]) {
    const auto& addresses = networks_[id].addresses;
    auto found = addresses.find(address);
    if (found != addresses.end()) return found->second;
  }
  return std::nullopt;
}

bool NameTable::may_leave(const std::string& scope) {
  refresh();
  for (const std::string& id : scopes_[scope]) {
    if (!networks_[id].internal) return true;
  }
  return false;
}

}  // namespace pcompose::scheduler
