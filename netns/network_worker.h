// Networks' work, synchronous, on its thread. Private to the room.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "netns/firewall.h"
#include "netns/host_side.h"
#include "netns/network_plan.h"
#include "netns/networks.h"

namespace pcompose::netns {

using EnsuredNetwork = std::expected<NetworkRow, Error>;

class NetworkWorker {
 public:
  // On the thread that will use it: namespace and firewall context are the thread's.
  NetworkWorker(const Roots& roots, const HostSide& host);

  // All under one lock and in one transaction of the firewall.
  std::vector<EnsuredNetwork> ensure(std::span<const NetworkSpec> specs);
  NetworkRow use(const std::string& name);
  std::vector<Error> remove(const std::string& name);
  std::map<std::string, Error> release(const std::vector<std::string>& names,
                                       const std::string& project);
  void fix_addresses(const std::vector<FixedAddress>& addresses);
  bool repair();
  std::vector<std::string> strays();
  std::vector<Error> remove_strays();

  std::vector<ReplicaNet> make_replicas(const std::vector<ReplicaSpec>& specs);
  std::vector<Error> remove_replicas(const std::vector<std::string>& containers, int space);
  EndpointRow connect(int namespace_fd, const ReplicaSpec& spec);
  void disconnect(int namespace_fd, const std::string& container, const std::string& network);

  std::vector<ReservedPort> reserve(const std::vector<PublishSpec>& ports, Conflict conflict);
  std::vector<PortRow> publish(const std::vector<PublishSpec>& ports);
  std::vector<Error> unpublish(const std::vector<std::string>& containers);

  Kernel& kernel() { return kernel_; }
  NetworkStore& store() { return store_; }
  void prepare() { firewall_.prepare(); }
  void rest() {
    firewall_.rest();
    db_.rest();
  }

 private:
  NetworkRow claim(const NetworkSpec& spec);
  NetworkRow make_row(const NetworkSpec& spec);
  void choose_subnets(const NetworkSpec& spec, const NetworkPlan& plan, NetworkRow& row);
  Prefix6 choose_subnet6(const std::string& name);
  void check_overlap(const Prefix& subnet);
  void check_overlap(const Prefix6& subnet);
  bool is_up(const NetworkRow& row);
  void install(std::span<const NetworkRow> networks);
  void allow_forwarding(Family family);
  void accept_once(const std::string& bridge);
  void ensure_table();
  void fill_table();
  void keep_clients();
  void forget_table();
  std::vector<std::string> stray_bridges();
  bool has_stray_table();
  void remove_from_kernel(const std::vector<NetworkRow>& rows, std::vector<Error>& errors);
  std::vector<Error> remove_rows(const std::vector<NetworkRow>& rows);
  // What nobody is on any more and no project will come back for.
  void leave_networks(const std::set<std::string>& ids, std::vector<Error>& errors);
  void tell_others(const std::set<std::string>& networks, const std::string& project);

  // The networks of one batch, by name: each is read once.
  using Known = std::map<std::string, NetworkRow>;
  const NetworkRow& known_network(Known& known, const std::string& name);
  // A shared lock under which all the networks have their bridges.
  // `current` is the replica at work, for the words of an error.
  Fd lock_installed(const std::vector<ReplicaSpec>& specs, Known& known,
                    const ReplicaSpec*& current);
  EndpointRow plan_endpoint(const ReplicaSpec& spec, const Attachment& attachment,
                            const NetworkRow& network);
  std::vector<EndpointRow> plan_endpoints(const ReplicaSpec& spec, Known& known);
  void pass_default_route(int route, const EndpointRow& gone,
                          const std::vector<EndpointRow>& endpoints);
  EndpointLink link_of(const EndpointRow& row, const Attachment& attachment,
                       const NetworkRow& network);
  // A replica whose links may not pass frames yet.
  struct Built {
    Namespace space;
    std::vector<EndpointLink> links;
  };
  Built build(const ReplicaSpec& spec, const std::vector<EndpointRow>& endpoints, Known& known);
  std::vector<ReplicaNet> build_all(const std::vector<ReplicaSpec>& specs, Known& known,
                                    const ReplicaSpec*& current);
  NetworkRow require_network(const std::string& name);
  std::string port_owner(const PortRow& taken);
  std::vector<EndpointRow> port_targets(const PublishSpec& port);
  std::vector<PortRow> port_rows(const PublishSpec& port);

  Roots roots_;
  const HostSide& host_;
  Database db_;
  NetworkStore store_;
  Kernel kernel_;
  Firewall firewall_;
  std::set<std::string> accepted_;  // bridges that the host's own firewall was told of
};

}  // namespace pcompose::netns
