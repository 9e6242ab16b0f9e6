// NetworkWorker's endpoints and ports.
#include <algorithm>
#include <cctype>

#include "base/sha256.h"
#include "netns/network_worker.h"
#include "netns/run_lock.h"

namespace pcompose::netns {
namespace {

std::vector<std::string> lower_case(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (std::string name : names) {
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (std::ranges::find(out, name) == out.end()) out.push_back(std::move(name));
  }
  return out;
}

std::optional<Ipv4> wanted_address(const Attachment& attachment) {
  if (attachment.address.empty()) return {};
  auto address = Ipv4::parse(attachment.address);
  if (!address) throw Error("\"" + attachment.address + "\" is not an IPv4 address");
  return address;
}

Mac mac_of(const Attachment& attachment, Ipv4 address) {
  if (attachment.mac.empty()) return Mac::of(address);
  auto mac = Mac::parse(attachment.mac);
  if (!mac) throw Error("\"" + attachment.mac + "\" is not a unicast MAC address");
  return *mac;
}

// All links of a root, so that they can be found and removed together.
uint32_t link_group(const std::string& tag) {
  return static_cast<uint32_t>(std::stoul(sha256_hex(tag).substr(0, 7), nullptr, 16)) | 1U;
}

}  // namespace

const NetworkRow& NetworkWorker::known_network(Known& known, const std::string& name) {
  auto found = known.find(name);
  if (found == known.end()) found = known.emplace(name, require_network(name)).first;
  return found->second;
}

std::vector<EndpointRow> NetworkWorker::plan_endpoints(const ReplicaSpec& spec, Known& known) {
  std::vector<EndpointRow> out;
  for (const Attachment& attachment : spec.attachments) {
    const NetworkRow& network = known_network(known, attachment.network);
    EndpointRow row;
    row.network = network.id;
    row.container = spec.container;
    row.project = spec.project;
    row.service = spec.service;
    row.replica = spec.replica;
    row.names = lower_case(attachment.names);
    row.interface = "eth" + std::to_string(out.size());
    // Random: the namespace of the container's predecessor may not have gone yet, nor its link's
    // name.
    row.link = "pcv-" + random_hex(4);
    std::string owner = spec.project + "/" + spec.replica;
    row.address = store_.lease(network, owner, wanted_address(attachment));
    row.mac = mac_of(attachment, row.address);
    store_.insert(row);
    out.push_back(std::move(row));
  }
  return out;
}

NetworkWorker::Built NetworkWorker::build(const ReplicaSpec& spec,
                                          const std::vector<EndpointRow>& endpoints, Known& known) {
  Built out;
  out.space = kernel_.make_namespace(endpoints.empty() ? Dns::none : Dns::serve);
  bool has_default = false;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const EndpointRow& row = endpoints[i];
    const NetworkRow& network = known_network(known, spec.attachments[i].network);
    EndpointLink link;
    link.bridge = network.bridge;
    link.link = row.link;
    link.interface = row.interface;
    link.address = row.address;
    link.prefix_length = network.subnet.length;
    link.mac = row.mac;
    link.group = link_group(roots_.tag);
    if (network.reach == Reach::outside && !has_default) {
      link.default_gateway = network.gateway;
      has_default = true;
    }
    kernel_.attach(out.space.fd.get(), out.space.route.get(), link);
    out.links.push_back(std::move(link));
  }
  return out;
}

std::vector<ReplicaNet> NetworkWorker::make_replicas(const std::vector<ReplicaSpec>& specs) {
  // Shared: remove() must not take a bridge away between the rows and the links.
  Fd lock = lock_networks(roots_, Hold::shared);
  Known known;
  std::vector<std::vector<EndpointRow>> planned;
  std::vector<Built> built;
  std::vector<ReplicaNet> out;
  const ReplicaSpec* current = nullptr;
  try {
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
  } catch (Error& e) {
    // The descriptors close on the way out, and the namespaces take their links with them.
    for (const ReplicaSpec& spec : specs) store_.remove_endpoints(spec.container);
    if (current != nullptr) e.add("connect " + current->replica);
    throw;
  }
}

// Another project of this root is known by name; /proc would only say "pcompose-keeper".
std::string NetworkWorker::port_owner(const PublishSpec& port, Ipv4 host) {
  for (const PortRow& row : store_.ports()) {
    bool clash = row.port == port.port && row.protocol == port.protocol &&
                 (row.host == host || row.host.is_any() || host.is_any());
    if (!clash) continue;
    auto endpoints = store_.endpoints_of(row.container);
    if (endpoints.empty()) continue;
    return endpoints.front().replica + " of the project " + endpoints.front().project;
  }
  return port_holder(host, port.port, port.protocol);
}

std::vector<ReservedPort> NetworkWorker::reserve(const std::vector<PublishSpec>& ports) {
  std::vector<ReservedPort> out;
  for (const PublishSpec& port : ports) {
    Ipv4 host = parse_host_ip(port.host_ip);
    auto reserved = try_reserve(host, port.port, port.protocol);
    if (!reserved) throw port_in_use(host, port.port, port.protocol, port_owner(port, host));
    out.push_back(std::move(*reserved));
  }
  return out;
}

PortRow NetworkWorker::port_row(const PublishSpec& port) {
  if (port.port == 0 || port.target_port == 0) throw Error("a port to publish must not be 0");
  PortRow out;
  out.host = parse_host_ip(port.host_ip);
  out.port = port.port;
  out.protocol = port.protocol;
  out.target_port = port.target_port;
  out.container = port.container;
  auto endpoints = store_.endpoints_of(port.container);
  auto networks = store_.networks();
  const EndpointRow* best = nullptr;
  for (const EndpointRow& e : endpoints) {
    auto network = std::ranges::find(networks, e.network, &NetworkRow::id);
    if (network == networks.end()) continue;
    if (!port.network.empty() && network->name != port.network) continue;
    // The network with the default route: answers leave by the way the question came.
    if (best == nullptr || (network->reach == Reach::outside && port.network.empty())) best = &e;
    if (network->reach == Reach::outside) break;
  }
  if (best == nullptr) {
    throw Error("port " + port_text(out.host, out.port, out.protocol) +
                " cannot be published: the container is on no network");
  }
  out.target = best->address;
  return out;
}

void NetworkWorker::publish(const std::vector<PublishSpec>& ports) {
  std::vector<PortRow> rows;
  for (const PublishSpec& port : ports) rows.push_back(port_row(port));
  Fd lock = lock_networks(roots_, Hold::exclusive);
  ensure_table();
  Transaction transaction(db_);
  for (const PortRow& row : rows) store_.insert(row);
  transaction.commit();
  firewall_.publish(rows);
}

std::vector<Error> NetworkWorker::unpublish(const std::vector<std::string>& containers) {
  std::vector<Error> errors;
  std::vector<PortRow> rows;
  for (const std::string& container : containers) {
    auto of_one = store_.ports_of(container);
    rows.insert(rows.end(), of_one.begin(), of_one.end());
  }
  if (rows.empty()) return errors;
  Fd lock = lock_networks(roots_, Hold::exclusive);
  try {
    if (firewall_.table_exists()) firewall_.unpublish(rows);
    Transaction transaction(db_);
    for (const std::string& container : containers) store_.remove_ports(container);
    transaction.commit();
  } catch (const Error& e) {
    errors.push_back(e);
  }
  return errors;
}

}  // namespace pcompose::netns
