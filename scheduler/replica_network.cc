// A container's namespace, its networks and its published ports.
#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "scheduler/replica.h"

namespace pcompose::scheduler {
namespace {

// Options of docker's for one membership; the others are its drivers' own.
constexpr const char* kEndpointName = "com.docker.network.endpoint.ifname";
constexpr const char* kEndpointSysctls = "com.docker.network.endpoint.sysctls";

using netns::Protocol;

// The highest priority first: it is eth0. Equals by name, so that a file read twice gives the same.
std::vector<compose::ServiceNetwork> by_priority(const compose::Service& service) {
  auto out = service.networks;
  std::ranges::sort(out, [](const auto& a, const auto& b) {
    return std::tuple(-a.priority, a.network) < std::tuple(-b.priority, b.network);
  });
  return out;
}

// A port as it is reserved, or as it is published.
std::string splice_key(const ContainerRow& row, const auto& port) {
  return row.short_id() + "/" + netns::port_text(port.host, port.port, port.protocol) +
         (port.host.v6() != nullptr ? "/6" : "");
}

}  // namespace

bool Replica::shares_network() const {
  return in_pod() || service_.network_mode.starts_with("service:") ||
         service_.network_mode.starts_with("container:");
}

std::vector<netns::Attachment> Replica::attachments() const {
  std::vector<netns::Attachment> out;
  if (!service_.network_mode.empty()) return out;  // none: loopback only
  for (const auto& n : by_priority(service_)) {
    netns::Attachment a;
    a.network = context_.model->network_name(n.network);
    a.names = n.aliases;
    a.names.insert(a.names.end(), {row_.name, row_.short_id()});
    // Who asks for the service means its replicas.
    if (!row_.one_off) a.names.push_back(row_.service);
    if (!service_.hostname.empty()) a.names.push_back(service_.hostname);
    a.address = n.ipv4_address;
    a.address6 = n.ipv6_address;
    a.link_locals = n.link_local_ips;
    a.interface = n.interface_name;
    auto named = n.driver_opts.find(kEndpointName);
    if (a.interface.empty() && named != n.driver_opts.end()) a.interface = named->second;
    a.gw_priority = n.gw_priority;
    a.mac = n.mac_address;
    // The service's own means its first network, as docker has it.
    if (a.mac.empty() && out.empty()) a.mac = service_.mac_address;
    out.push_back(std::move(a));
  }
  return out;
}

// "net.ipv4.conf.IFNAME.log_martians=1,…", as docker has it.
void Replica::add_endpoint_sysctls(engine::ContainerSpec& spec) const {
  auto members = by_priority(service_);
  for (size_t i = 0; i < members.size() && members.size() == endpoints_.size(); ++i) {
    auto option = members[i].driver_opts.find(kEndpointSysctls);
    if (option == members[i].driver_opts.end()) continue;
    std::istringstream settings(option->second);
    for (std::string text; std::getline(settings, text, ',');) {
      size_t equals = text.find('=');
      std::string path = text.substr(0, equals);
      std::ranges::replace(path, '.', '/');
      size_t name = path.find("IFNAME");
      if (equals == std::string::npos || name == std::string::npos || !path.starts_with("net/") ||
          path.find("//") != std::string::npos) {
        throw Error("\"" + text + "\" is no setting of an interface")
            .at(members[i].position)
            .hint("for example net.ipv4.conf.IFNAME.log_martians=1");
      }
      path.replace(name, 6, endpoints_[i].interface);
      spec.linux.sysctl.emplace_back(path, text.substr(equals + 1));
    }
  }
}

netns::ReplicaSpec Replica::network_spec() const {
  return {row_.id, row_.project, row_.service, row_.name, {}};
}

Task<> Replica::make_network() {
  if (service_.network_mode == "host") co_return;
  if (shares_network()) co_return co_await take_shared_network();
  auto inside = co_await making_network_.enter();
  if (network_) {
    // Kept over a restart, perhaps from an earlier supervisor.
    if (endpoints_.empty()) endpoints_ = co_await known_endpoints();
    if (has_own_users()) co_await choose_ids();
    co_return;
  }
  netns::ReplicaSpec spec = network_spec();
  spec.attachments = attachments();
  Fd own;
  if (has_own_users()) own = co_await make_users();
  spec.given = own.get();
  netns::ReplicaNet net = co_await context_.networks->make_replica(std::move(spec));
  network_ = std::move(net.namespace_fd);
  dns_udp_ = std::move(net.dns.udp);
  dns_tcp_ = std::move(net.dns.tcp);
  endpoints_ = std::move(net.endpoints);
  context_.keeper->store(descriptor_name("net"), network_.get());
  context_.names->expire();  // its first question may come before we hear that it runs
  serve_dns();
}

// Asked each time it starts: the other one may have been made anew.
Task<> Replica::take_shared_network() {
  shared_ = co_await context_.share_network(service_);
  network_ = std::move(shared_.space);
  context_.keeper->store(descriptor_name("net"), network_.get());
}

Task<SharedNetwork> Replica::share_network() {
  if (service_.network_mode == "host") {
    throw Error("container " + row_.name + " has the host's network")
        .hint("write network_mode: host here, too");
  }
  co_await make_network();
  if (shares_network()) {
    co_return SharedNetwork{network_.duplicate(), shared_.hostname, shared_.endpoints};
  }
  co_return SharedNetwork{network_.duplicate(), hostname_of(service_, row_.id), endpoints_};
}

// The host's address on the container's first network; only where somebody asks for it.
Task<> Replica::find_host() {
  bool asked = std::any_of(service_.extra_hosts.begin(), service_.extra_hosts.end(),
                           [](const std::string& h) { return h.ends_with("=host-gateway"); });
  if (!asked) co_return;
  if (service_.network_mode == "host") host_address_ = "127.0.0.1";
  const auto& endpoints = shares_network() ? shared_.endpoints : endpoints_;
  if (endpoints.empty()) co_return;
  auto leading = std::ranges::find(endpoints, true, &netns::EndpointRow::is_default);
  const auto& chosen = leading == endpoints.end() ? endpoints.front() : *leading;
  for (const auto& network : co_await context_.networks->list()) {
    if (network.id != chosen.network) continue;
    host_address_ = network.ipv4 ? network.gateway.str() : network.gateway6.str();
  }
}

Task<std::vector<netns::EndpointRow>> Replica::known_endpoints() {
  auto all = co_await context_.networks->endpoints();
  std::erase_if(all, [&](const netns::EndpointRow& e) { return e.container != row_.id; });
  co_return all;
}

Task<> Replica::release_network() {
  if (shares_network()) {
    context_.keeper->drop(descriptor_name("net"));
    for (Fd* fd : {&diag_, &network_}) fd->reset();
    co_return;
  }
  Fd space = network_ ? network_.duplicate() : Fd();
  if (network_ || !endpoints_.empty()) {
    co_await context_.dns->stop(row_.short_id());
    context_.names->drop_own(row_.short_id());
    endpoints_.clear();
    context_.names_changed();
    for (const char* what : {"net", "user", "dns-udp", "dns-tcp"})
      context_.keeper->drop(descriptor_name(what));
    for (Fd* fd : {&dns_udp_, &dns_tcp_, &diag_, &network_, &users_}) fd->reset();
  }
  auto ports = co_await context_.networks->ports();
  for (const auto& port : ports) {
    if (port.container == network_id() && is_spliced(port))
      context_.forwarder->remove(splice_key(row_, port));
  }
  co_await context_.networks->remove_replicas({row_.id}, std::move(space));
}

Task<> Replica::publish_ports() {
  std::vector<netns::PublishSpec> ports;
  for (const auto& p : service_.ports) {
    netns::PublishSpec spec;
    spec.container = network_id();
    spec.host_ip = p.host_ip;
    spec.port = context_.port_of(row_, p);
    spec.protocol = p.protocol == "udp" ? Protocol::udp : Protocol::tcp;
    spec.target_port = p.target;
    ports.push_back(std::move(spec));
  }
  const auto& endpoints = in_pod() ? shared_.endpoints : endpoints_;
  if (ports.empty() || endpoints.empty()) co_return;
  co_await context_.networks->publish(std::move(ports));
  co_await splice_ports();
}

Task<> Replica::splice_ports() {
  for (const auto& port : co_await context_.networks->ports()) {
    if (port.container != network_id() || !is_spliced(port)) continue;
    Fd socket(context_.socket_of(row_, port));
    if (socket) context_.forwarder->add(splice_key(row_, port), port, socket);
  }
}

void Replica::unsplice(const netns::ReservedPort& port) const {
  context_.forwarder->remove(splice_key(row_, port));
}

Task<> Replica::connect(netns::Attachment attachment) {
  if (!network_ || shares_network() || service_.network_mode == "host") {
    throw Error("container " + row_.name + " does not run in a namespace of its own");
  }
  netns::ReplicaSpec spec = network_spec();
  attachment.names.insert(attachment.names.end(), {row_.service, row_.name, row_.short_id()});
  spec.attachments.push_back(std::move(attachment));
  endpoints_.push_back(co_await context_.networks->connect(network_.duplicate(), std::move(spec)));
  context_.names_changed();
}

Task<> Replica::disconnect(const std::string& network) {
  Fd space = network_ && !shares_network() ? network_.duplicate() : Fd();
  co_await context_.networks->disconnect(std::move(space), row_.id, network);
  endpoints_ = co_await known_endpoints();
  context_.names_changed();
}

}  // namespace pcompose::scheduler
