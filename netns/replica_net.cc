// NetworkWorker's endpoints: a replica's namespace and its links.
#include <algorithm>

#include "base/sha256.h"
#include "netns/attempt.h"
#include "netns/endpoint_names.h"
#include "netns/network_worker.h"
#include "netns/run_lock.h"

namespace pcompose::netns {
namespace {

constexpr int kInstallTries = 5;

std::string owner_of(const std::string& project, const std::string& replica) {
  return project + "/" + replica;
}

template <class Address>
std::optional<Address> wanted_address(const std::string& text, const char* family) {
  if (text.empty()) return {};
  auto address = Address::parse(text);
  if (!address) throw Error("\"" + text + "\" is not an " + family + " address");
  return address;
}

Mac mac_of(const Attachment& attachment, const EndpointRow& row) {
  if (attachment.mac.empty()) return row.address ? Mac::of(*row.address) : Mac::of(*row.address6);
  auto mac = Mac::parse(attachment.mac);
  if (!mac) throw Error("\"" + attachment.mac + "\" is not a unicast MAC address");
  return *mac;
}

std::vector<Ip> link_locals_of(const Attachment& attachment) {
  std::vector<Ip> out;
  for (const std::string& text : attachment.link_locals) {
    auto address = Ip::parse(text);
    bool local = address && (address->v6() != nullptr ? address->v6()->is_link_local()
                                                      : address->v4()->value >> 16U == 0xa9fe);
    if (!local) throw Error("\"" + text + "\" is not a link-local address");
    out.push_back(*address);
  }
  return out;
}

// All links of a root, so that they can be found and removed together.
uint32_t link_group(const std::string& tag) {
  return static_cast<uint32_t>(std::stoul(sha256_hex(tag).substr(0, 7), nullptr, 16)) | 1U;
}

// "Nothing that is taken": a network may have a prefix of its own, a file a name of its own.
std::string interface_for(const Attachment& attachment, const NetworkRow& network,
                          const std::vector<EndpointRow>& others) {
  auto taken = [&](const std::string& name) {
    return std::ranges::any_of(others, [&](const auto& e) { return e.interface == name; });
  };
  if (!attachment.interface.empty()) {
    if (!taken(attachment.interface)) return attachment.interface;
    throw Error("two networks of the container have the interface " + attachment.interface);
  }
  std::string prefix = network.options.interface_prefix;
  if (prefix.empty()) prefix = "eth";
  for (size_t i = 0;; ++i) {
    std::string name = prefix + std::to_string(i);
    if (!taken(name)) return name;
  }
}

}  // namespace

const NetworkRow& NetworkWorker::known_network(Known& known, const std::string& name) {
  auto found = known.find(name);
  if (found == known.end()) found = known.emplace(name, require_network(name)).first;
  return found->second;
}

EndpointRow NetworkWorker::plan_endpoint(const ReplicaSpec& spec, const Attachment& attachment,
                                         const NetworkRow& network) {
  EndpointRow row;
  row.network = network.id;
  row.container = spec.container;
  row.project = spec.project;
  row.service = spec.service;
  row.replica = spec.replica;
  row.names = lower_case(attachment.names);
  // Random: the namespace of the container's predecessor may not have gone yet, nor its link's
  // name.
  row.link = "pcv-" + random_hex(4);
  std::string owner = owner_of(spec.project, spec.replica);
  auto wanted = wanted_address<Ipv4>(attachment.address, "IPv4");
  auto wanted6 = wanted_address<Ipv6>(attachment.address6, "IPv6");
  if (wanted6 && !network.subnet6) {
    throw Error("the network " + network.name + " has no IPv6, so no address " + wanted6->str())
        .hint("add enable_ipv6: true to the network");
  }
  if (wanted && !network.ipv4) {
    throw Error("the network " + network.name + " has no IPv4, so no address " + wanted->str());
  }
  if (network.ipv4) row.address = store_.lease(network, owner, wanted);
  if (network.subnet6) row.address6 = store_.lease6(network, owner, wanted6);
  row.mac = mac_of(attachment, row);
  return row;
}

std::vector<EndpointRow> NetworkWorker::plan_endpoints(const ReplicaSpec& spec, Known& known) {
  std::vector<EndpointRow> out;
  std::optional<size_t> best;  // who carries the default route
  for (const Attachment& attachment : spec.attachments) {
    const NetworkRow& network = known_network(known, attachment.network);
    EndpointRow row = plan_endpoint(spec, attachment, network);
    row.interface = interface_for(attachment, network, out);
    bool leads_out = network.reach == Reach::outside;
    if (leads_out && (!best || attachment.gw_priority > spec.attachments[*best].gw_priority)) {
      best = out.size();
    }
    out.push_back(std::move(row));
  }
  if (best) out[*best].is_default = true;
  for (const EndpointRow& row : out) store_.insert(row);
  return out;
}

EndpointLink NetworkWorker::link_of(const EndpointRow& row, const Attachment& attachment,
                                    const NetworkRow& network) {
  EndpointLink link;
  link.bridge = network.bridge;
  link.link = row.link;
  link.interface = row.interface;
  link.address = row.address;
  link.prefix_length = network.subnet.length;
  link.address6 = row.address6;
  if (network.subnet6) link.prefix6_length = network.subnet6->length;
  link.link_locals = link_locals_of(attachment);
  link.mac = row.mac;
  link.group = link_group(roots_.tag);
  link.mtu = network.options.mtu;
  link.isolated = !network.options.talk;
  if (network.options.driver != Driver::bridge) {
    link.parent = network.options.parent;
    link.kind = driver_name(network.options.driver);
    link.mode = network.options.mode;
  }
  if (row.is_default && row.address) link.default_gateway = network.gateway;
  if (row.is_default && row.address6) link.default_gateway6 = network.gateway6;
  return link;
}

NetworkWorker::Built NetworkWorker::build(const ReplicaSpec& spec,
                                          const std::vector<EndpointRow>& endpoints, Known& known) {
  Built out;
  Dns dns = endpoints.empty() ? Dns::none : Dns::serve;
  out.space =
      spec.given < 0 ? kernel_.make_namespace(dns) : kernel_.furnish_namespace(spec.given, dns);
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const NetworkRow& network = known_network(known, spec.attachments[i].network);
    EndpointLink link = link_of(endpoints[i], spec.attachments[i], network);
    kernel_.attach(out.space.fd.get(), out.space.route.get(), link);
    out.links.push_back(std::move(link));
  }
  return out;
}

Fd NetworkWorker::lock_installed(const std::vector<ReplicaSpec>& specs, Known& known,
                                 const ReplicaSpec*& current) {
  for (int i = 0; i < kInstallTries; ++i) {
    // Shared: remove() must not take a bridge away between the rows and the links.
    Fd lock = lock_networks(roots_, Hold::shared);
    known.clear();
    std::vector<NetworkRow> missing;
    for (const ReplicaSpec& spec : specs) {
      current = &spec;
      for (const Attachment& a : spec.attachments) known_network(known, a.network);
    }
    for (const auto& [name, row] : known) {
      if (!is_up(row)) missing.push_back(row);
    }
    if (missing.empty()) return lock;
    // Its last container left since somebody looked, and took the bridge along.
    lock.reset();
    Fd alone = lock_networks(roots_, Hold::exclusive);
    std::erase_if(missing, [&](const NetworkRow& row) { return !store_.network(row.name); });
    install(missing);
  }
  throw Error("the networks' bridges go as fast as they are made");
}

std::vector<ReplicaNet> NetworkWorker::build_all(const std::vector<ReplicaSpec>& specs,
                                                 Known& known, const ReplicaSpec*& current) {
  std::vector<std::vector<EndpointRow>> planned;
  std::vector<Built> built;
  std::vector<ReplicaNet> out;
  Transaction transaction(db_);
  for (const ReplicaSpec& spec : specs) {
    current = &spec;
    planned.push_back(plan_endpoints(spec, known));
  }
  transaction.commit();
  for (size_t i = 0; i < specs.size(); ++i) {
    current = &specs[i];
    built.push_back(build(specs[i], planned[i], known));
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    current = &specs[i];
    Namespace& space = built[i].space;
    for (const EndpointLink& link : built[i].links) kernel_.settle(space.route.get(), link);
    out.push_back({std::move(space.fd), std::move(space.dns), std::move(planned[i])});
  }
  return out;
}

std::vector<ReplicaNet> NetworkWorker::make_replicas(const std::vector<ReplicaSpec>& specs) {
  Known known;
  const ReplicaSpec* current = nullptr;
  std::vector<ReplicaNet> out;
  try {
    Fd lock = lock_installed(specs, known, current);
    out = build_all(specs, known, current);
  } catch (Error& e) {
    // The descriptors closed on the way out, and the namespaces take their links with them.
    for (const ReplicaSpec& spec : specs) store_.remove_endpoints(spec.container);
    if (current != nullptr) e.add("connect " + current->replica);
    throw;
  }
  std::set<std::string> networks;
  for (const auto& [name, row] : known) networks.insert(row.id);
  if (!specs.empty()) tell_others(networks, specs.front().project);
  return out;
}

void NetworkWorker::fix_addresses(const std::vector<FixedAddress>& addresses) {
  Transaction transaction(db_);
  for (const FixedAddress& a : addresses) {
    NetworkRow network = require_network(a.network);
    std::string owner = owner_of(a.project, a.replica);
    auto address = Ip::parse(a.address);
    if (!address) throw Error("\"" + a.address + "\" is not an IP address");
    if (address->v4() != nullptr && network.ipv4) store_.lease(network, owner, *address->v4());
    if (address->v6() != nullptr && network.subnet6) store_.lease6(network, owner, *address->v6());
  }
  transaction.commit();
}

EndpointRow NetworkWorker::connect(int namespace_fd, const ReplicaSpec& spec) {
  Known known;
  const ReplicaSpec* current = nullptr;
  Fd lock = lock_installed({spec}, known, current);
  const Attachment& attachment = spec.attachments.at(0);
  const NetworkRow& network = known_network(known, attachment.network);
  auto others = store_.endpoints_of(spec.container);
  for (const EndpointRow& e : others) {
    if (e.network == network.id) {
      throw Error(spec.replica + " is on the network " + network.name + " already");
    }
  }
  EndpointRow row = plan_endpoint(spec, attachment, network);
  row.interface = interface_for(attachment, network, others);
  auto leads = [](const EndpointRow& e) { return e.is_default; };
  row.is_default = network.reach == Reach::outside && std::ranges::none_of(others, leads);
  store_.insert(row);
  try {
    Fd route = kernel_.open_route(namespace_fd);
    EndpointLink link = link_of(row, attachment, network);
    kernel_.attach(namespace_fd, route.get(), link);
    kernel_.settle(route.get(), link);
  } catch (const Error&) {
    store_.remove_endpoint(row.network, row.container);
    throw;
  }
  tell_others({network.id}, spec.project);
  return row;
}

void NetworkWorker::disconnect(int namespace_fd, const std::string& container,
                               const std::string& name) {
  NetworkRow network = require_network(name);
  auto endpoints = store_.endpoints_of(container);
  auto found = std::ranges::find(endpoints, network.id, &EndpointRow::network);
  if (found == endpoints.end()) throw Error("the container is not on the network " + name);
  if (namespace_fd >= 0) {
    Fd route = kernel_.open_route(namespace_fd);
    kernel_.remove_inside(route.get(), found->interface);
    pass_default_route(route.get(), *found, endpoints);
  }
  store_.remove_endpoint(network.id, container);
  tell_others({network.id}, found->project);
  std::vector<Error> errors;
  leave_networks({network.id}, errors);
  if (!errors.empty()) throw errors.front();
}

// The way out goes on by another network, as docker does it.
void NetworkWorker::pass_default_route(int route, const EndpointRow& gone,
                                       const std::vector<EndpointRow>& endpoints) {
  if (!gone.is_default) return;
  for (const NetworkRow& network : store_.networks()) {
    if (network.reach == Reach::internal || network.id == gone.network) continue;
    auto next = std::ranges::find(endpoints, network.id, &EndpointRow::network);
    if (next == endpoints.end()) continue;
    if (next->address) kernel_.set_default_route(route, next->interface, network.gateway);
    if (next->address6) kernel_.set_default_route(route, next->interface, network.gateway6);
    EndpointRow row = *next;
    row.is_default = true;
    return store_.insert(row);
  }
}

}  // namespace pcompose::netns
