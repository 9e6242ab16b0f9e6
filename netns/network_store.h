// What a root knows about its networks: rows of its database. Networks belong to the root, not to a
// project.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/database.h"
#include "netns/ip.h"
#include "netns/subnet.h"

namespace pcompose::netns {

enum class Reach { outside, internal };
enum class Driver : uint8_t { bridge, macvlan, ipvlan };
std::string_view driver_name(Driver driver);

// What a network is besides its addresses: its `driver_opts` and attributes, understood.
struct NetworkOptions {
  Driver driver = Driver::bridge;
  std::string parent;            // macvlan, ipvlan: a link of the host
  std::string mode;              // macvlan: bridge, vepa, private; ipvlan: l2, l3
  int mtu = 0;                   // 0 = the kernel's
  bool talk = true;              // enable_icc: its containers reach each other
  bool masquerade = true;        // what leaves hides behind the host's address
  std::string host_binding;      // the host address of ports that name none
  std::string interface_prefix;  // "" = eth
  std::optional<Prefix> range;   // dynamic addresses come from it
  std::optional<Prefix6> range6;
  std::map<std::string, std::string> aux;      // addresses that are somebody else's, by name
  std::map<std::string, std::string> written;  // driver_opts as they were given
  bool attachable = false;
  int64_t created_ns = 0;  // after the epoch

  friend bool operator==(const NetworkOptions&, const NetworkOptions&) = default;
};

struct NetworkRow {
  std::string id;       // 12 hexadecimal digits
  std::string name;     // unique in the root
  std::string project;  // whose file made it; "" where none did
  std::string key;      // under `networks:` in that file
  std::string bridge;   // the link's name, "pc-" and 8 digits of the id unless driver_opts say
  bool ipv4 = true;
  Prefix subnet;
  Ipv4 gateway;
  std::optional<Prefix6> subnet6;  // nothing: no IPv6
  Ipv6 gateway6;
  Reach reach = Reach::outside;
  std::map<std::string, std::string> labels;
  NetworkOptions options;

  friend bool operator==(const NetworkRow&, const NetworkRow&) = default;
};

// A container on a network.
struct EndpointRow {
  std::string network;    // id
  std::string container;  // id
  std::string project;
  std::string service;
  std::string replica;  // "shop-web-1"
  std::vector<std::string>
      names;              // all that DNS answers for it, lower case: service, replica, aliases
  std::string interface;  // in the container: eth0
  std::string link;       // the host's end of the veth pair
  std::optional<Ipv4> address;
  std::optional<Ipv6> address6;
  Mac mac;
  bool is_default = false;  // its gateway has the container's default route

  friend bool operator==(const EndpointRow&, const EndpointRow&) = default;
};

enum class Protocol : uint8_t { tcp, udp };
std::string_view protocol_name(Protocol protocol);

// A published port: what reaches (host, port, protocol) goes to (target, target_port).
struct PortRow {
  Ip host;  // 0.0.0.0 or ::: every address of that family
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  Ip target;
  uint16_t target_port = 0;
  std::string container;  // id

  // The nftables map can do it all: the same family, and an address that IPv6 routes.
  [[nodiscard]] bool is_mapped() const;
  // Something of it needs the forwarder: IPv6 translates no [::1], which :: includes, and a
  // container may speak the other family only.
  [[nodiscard]] bool is_spliced() const {
    return !is_mapped() || (host.v6() != nullptr && host.is_any());
  }

  friend bool operator==(const PortRow&, const PortRow&) = default;
};

// Endpoints and ports live as long as the boot they were made in: rows of another boot are dropped
// when the store is opened. Networks and leases stay. Not thread-safe; every method throws Error or
// SQLite::Exception.
class NetworkStore {
 public:
  NetworkStore(Database& db, const std::string& boot);

  [[nodiscard]] std::vector<NetworkRow> networks();
  [[nodiscard]] std::vector<Prefix> subnets();  // IPv4, of all
  [[nodiscard]] std::optional<NetworkRow> network(const std::string& name);
  [[nodiscard]] std::vector<NetworkRow> networks_of(const std::string& project);
  // False where another process was quicker to take the name.
  bool insert(const NetworkRow& row);
  void remove_networks(const std::vector<NetworkRow>& rows);  // their leases, too
  // Its project is gone, others are on it: it goes with the last of them.
  void set_released(const std::string& id);
  [[nodiscard]] bool is_released(const std::string& id);
  void set_project(const std::string& id, const std::string& project);  // no longer released

  // The address of `owner` ("project/replica") on the network: the one it had before, else
  // `wanted`, else a free one. A `wanted` address that another endpoint holds is an Error; one that
  // is only somebody's unused lease is taken over. Throws Error where the subnet is full.
  Ipv4 lease(const NetworkRow& network, const std::string& owner, std::optional<Ipv4> wanted);
  // The same for IPv6; the network has a subnet of it.
  Ipv6 lease6(const NetworkRow& network, const std::string& owner, std::optional<Ipv6> wanted);

  void insert(const EndpointRow& row);  // replaces
  void remove_endpoints(const std::string& container);
  void remove_endpoint(const std::string& network, const std::string& container);
  [[nodiscard]] std::vector<EndpointRow> endpoints_on(const std::string& network);
  [[nodiscard]] std::vector<EndpointRow> endpoints_of(const std::string& container);
  [[nodiscard]] std::vector<EndpointRow> endpoints();

  void insert(const PortRow& row);  // replaces
  void remove_ports(const std::string& container);
  [[nodiscard]] std::vector<PortRow> ports();
  [[nodiscard]] std::vector<PortRow> ports_of(const std::string& container);

  [[nodiscard]] Database& database() { return db_; }

 private:
  Database& db_;
  std::string boot_;
};

}  // namespace pcompose::netns
