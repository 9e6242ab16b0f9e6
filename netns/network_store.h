// What a root knows about its networks: rows of its database. Networks belong to the root, not to a
// project.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/database.h"
#include "netns/subnet.h"

namespace pcompose::netns {

enum class Reach { outside, internal };

struct NetworkRow {
  std::string id;       // 12 hexadecimal digits
  std::string name;     // unique in the root
  std::string project;  // whose file made it; "" where none did
  std::string key;      // under `networks:` in that file
  std::string bridge;   // the link's name, "pc-" and 8 digits of the id
  Prefix subnet;
  Ipv4 gateway;
  Reach reach = Reach::outside;
  std::map<std::string, std::string> labels;

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
  Ipv4 address;
  Mac mac;

  friend bool operator==(const EndpointRow&, const EndpointRow&) = default;
};

enum class Protocol : uint8_t { tcp, udp };
std::string_view protocol_name(Protocol protocol);

// A published port: what reaches (host, port, protocol) goes to (target, target_port).
struct PortRow {
  Ipv4 host;  // 0.0.0.0: every address of the host
  uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  Ipv4 target;
  uint16_t target_port = 0;
  std::string container;  // id

  friend bool operator==(const PortRow&, const PortRow&) = default;
};

// Endpoints and ports live as long as the boot they were made in: rows of another boot are dropped
// when the store is opened. Networks and leases stay. Not thread-safe; every method throws Error or
// SQLite::Exception.
class NetworkStore {
 public:
  NetworkStore(Database& db, const std::string& boot);

  [[nodiscard]] std::vector<NetworkRow> networks();
  [[nodiscard]] std::optional<NetworkRow> network(const std::string& name);
  [[nodiscard]] std::vector<NetworkRow> networks_of(const std::string& project);
  // False where another process was quicker to take the name.
  bool insert(const NetworkRow& row);
  void remove_network(const std::string& id);  // its leases too

  // The address of `owner` ("project/replica") on the network: the one it had before, else
  // `wanted`, else a free one. A `wanted` address that another endpoint holds is an Error; one that
  // is only somebody's unused lease is taken over. Throws Error where the subnet is full.
  Ipv4 lease(const NetworkRow& network, const std::string& owner, std::optional<Ipv4> wanted);

  void insert(const EndpointRow& row);  // replaces
  void remove_endpoints(const std::string& container);
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
