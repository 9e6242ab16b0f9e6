// Networks' work, synchronous, on its thread. Private to the room.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "netns/firewall.h"
#include "netns/networks.h"

namespace pcompose::netns {

class NetworkWorker {
 public:
  // On the thread that will use it: namespace and firewall context are the thread's.
  explicit NetworkWorker(const Roots& roots);

  NetworkRow ensure(const NetworkSpec& spec);
  NetworkRow use(const std::string& name);
  std::vector<Error> remove(const std::string& name);

  std::vector<ReplicaNet> make_replicas(const std::vector<ReplicaSpec>& specs);
  std::vector<Error> remove_replicas(const std::vector<std::string>& containers);

  std::vector<ReservedPort> reserve(const std::vector<PublishSpec>& ports);
  void publish(const std::vector<PublishSpec>& ports);
  std::vector<Error> unpublish(const std::vector<std::string>& containers);

  Kernel& kernel() { return kernel_; }
  NetworkStore& store() { return store_; }

 private:
  NetworkRow make_row(const NetworkSpec& spec);
  void check_overlap(const Prefix& subnet);
  void install(const NetworkRow& row);
  void ensure_table();
  void forget_table();
  void remove_from_kernel(const NetworkRow& row, std::vector<Error>& errors);

  // The networks of one batch, by name: each is read once.
  using Known = std::map<std::string, NetworkRow>;
  const NetworkRow& known_network(Known& known, const std::string& name);
  std::vector<EndpointRow> plan_endpoints(const ReplicaSpec& spec, Known& known);
  // A replica whose links may not pass frames yet.
  struct Built {
    Namespace space;
    std::vector<EndpointLink> links;
  };
  Built build(const ReplicaSpec& spec, const std::vector<EndpointRow>& endpoints, Known& known);
  NetworkRow require_network(const std::string& name);
  std::string port_owner(const PublishSpec& port, Ipv4 host);
  PortRow port_row(const PublishSpec& port);

  Roots roots_;
  Database db_;
  NetworkStore store_;
  Kernel kernel_;
  Firewall firewall_;
};

}  // namespace pcompose::netns
