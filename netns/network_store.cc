#include "netns/network_store.h"

#include <set>

#include "base/error.h"
#include "base/json.h"

namespace pcompose::netns {
namespace {

constexpr int kVersion = 1;
constexpr const char* kSchema = R"(
  CREATE TABLE IF NOT EXISTS networks(
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, project TEXT NOT NULL, key TEXT NOT NULL,
    bridge TEXT NOT NULL UNIQUE, subnet TEXT NOT NULL, gateway INTEGER NOT NULL,
    internal INTEGER NOT NULL, labels TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS network_leases(
    network TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE, owner TEXT NOT NULL,
    address INTEGER NOT NULL, PRIMARY KEY(network, owner), UNIQUE(network, address)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS network_endpoints(
    network TEXT NOT NULL REFERENCES networks(id), container TEXT NOT NULL, project TEXT NOT NULL,
    service TEXT NOT NULL, replica TEXT NOT NULL, names TEXT NOT NULL, interface TEXT NOT NULL,
    link TEXT NOT NULL, address INTEGER NOT NULL, mac TEXT NOT NULL, boot TEXT NOT NULL,
    PRIMARY KEY(network, container)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS network_endpoints_container ON network_endpoints(container);
  CREATE TABLE IF NOT EXISTS network_ports(
    host INTEGER NOT NULL, port INTEGER NOT NULL, protocol INTEGER NOT NULL,
    target INTEGER NOT NULL, target_port INTEGER NOT NULL, container TEXT NOT NULL,
    boot TEXT NOT NULL, PRIMARY KEY(host, port, protocol)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS network_ports_container ON network_ports(container);
)";

constexpr const char* kNetworkColumns =
    "SELECT id, name, project, key, bridge, subnet, gateway, internal, labels FROM networks ";
constexpr const char* kEndpointColumns =
    "SELECT network, container, project, service, replica, names, interface, link, address, mac "
    "FROM network_endpoints ";
constexpr const char* kPortColumns =
    "SELECT host, port, protocol, target, target_port, container FROM network_ports ";

Ipv4 address_at(const SQLite::Statement& row, int column) {
  return Ipv4{row.getColumn(column).getUInt()};
}

Prefix prefix_at(const SQLite::Statement& row, int column) {
  auto prefix = Prefix::parse(row.getColumn(column).getString());
  if (!prefix) throw Error("the state database holds a bad subnet");
  return *prefix;
}

NetworkRow read_network(const SQLite::Statement& row) {
  NetworkRow out;
  out.id = row.getColumn(0).getString();
  out.name = row.getColumn(1).getString();
  out.project = row.getColumn(2).getString();
  out.key = row.getColumn(3).getString();
  out.bridge = row.getColumn(4).getString();
  out.subnet = prefix_at(row, 5);
  out.gateway = address_at(row, 6);
  out.reach = row.getColumn(7).getInt() != 0 ? Reach::internal : Reach::outside;
  auto labels = json::parse(row.getColumn(8).getString());
  out.labels = json::value_to<std::map<std::string, std::string>>(labels);
  return out;
}

EndpointRow read_endpoint(const SQLite::Statement& row) {
  EndpointRow out;
  out.network = row.getColumn(0).getString();
  out.container = row.getColumn(1).getString();
  out.project = row.getColumn(2).getString();
  out.service = row.getColumn(3).getString();
  out.replica = row.getColumn(4).getString();
  out.names = json::value_to<std::vector<std::string>>(json::parse(row.getColumn(5).getString()));
  out.interface = row.getColumn(6).getString();
  out.link = row.getColumn(7).getString();
  out.address = address_at(row, 8);
  out.mac = Mac::parse(row.getColumn(9).getString()).value_or(Mac::of(out.address));
  return out;
}

PortRow read_port(const SQLite::Statement& row) {
  PortRow out;
  out.host = address_at(row, 0);
  out.port = static_cast<uint16_t>(row.getColumn(1).getUInt());
  out.protocol = row.getColumn(2).getInt() != 0 ? Protocol::udp : Protocol::tcp;
  out.target = address_at(row, 3);
  out.target_port = static_cast<uint16_t>(row.getColumn(4).getUInt());
  out.container = row.getColumn(5).getString();
  return out;
}

template <class Read>
auto read_all_rows(SQLite::Statement& query, Read read) {
  std::vector<decltype(read(query))> out;
  while (query.executeStep()) out.push_back(read(query));
  return out;
}

template <class... Values>
void run(Database& db, const char* sql, const Values&... values) {
  SQLite::Statement statement(db.get(), sql);
  int index = 0;
  (statement.bind(++index, values), ...);
  statement.exec();
}

}  // namespace

std::string_view protocol_name(Protocol protocol) {
  return protocol == Protocol::tcp ? "tcp" : "udp";
}

NetworkStore::NetworkStore(Database& db, const std::string& boot) : db_(db), boot_(boot) {
  db_.ensure_schema("netns", kVersion, kSchema);
  run(db_, "DELETE FROM network_endpoints WHERE boot<>?", boot_);
  run(db_, "DELETE FROM network_ports WHERE boot<>?", boot_);
}

std::vector<NetworkRow> NetworkStore::networks() {
  SQLite::Statement query(db_.get(), std::string(kNetworkColumns) + "ORDER BY name");
  return read_all_rows(query, read_network);
}

std::optional<NetworkRow> NetworkStore::network(const std::string& name) {
  SQLite::Statement query(db_.get(), std::string(kNetworkColumns) + "WHERE name=?");
  query.bind(1, name);
  if (!query.executeStep()) return {};
  return read_network(query);
}

std::vector<NetworkRow> NetworkStore::networks_of(const std::string& project) {
  SQLite::Statement query(db_.get(),
                          std::string(kNetworkColumns) + "WHERE project=? ORDER BY name");
  query.bind(1, project);
  return read_all_rows(query, read_network);
}

bool NetworkStore::insert(const NetworkRow& row) {
  run(db_, "INSERT OR IGNORE INTO networks VALUES(?,?,?,?,?,?,?,?,?)", row.id, row.name,
      row.project, row.key, row.bridge, row.subnet.str(), row.gateway.value,
      row.reach == Reach::internal ? 1 : 0, json::serialize(json::value_from(row.labels)));
  return db_.get().getChanges() == 1;
}

void NetworkStore::remove_network(const std::string& id) {
  run(db_, "DELETE FROM networks WHERE id=?", id);
}

void NetworkStore::insert(const EndpointRow& row) {
  run(db_, "INSERT OR REPLACE INTO network_endpoints VALUES(?,?,?,?,?,?,?,?,?,?,?)", row.network,
      row.container, row.project, row.service, row.replica,
      json::serialize(json::value_from(row.names)), row.interface, row.link, row.address.value,
      row.mac.str(), boot_);
}

void NetworkStore::remove_endpoints(const std::string& container) {
  run(db_, "DELETE FROM network_endpoints WHERE container=?", container);
}

std::vector<EndpointRow> NetworkStore::endpoints_on(const std::string& network) {
  SQLite::Statement query(db_.get(),
                          std::string(kEndpointColumns) + "WHERE network=? ORDER BY address");
  query.bind(1, network);
  return read_all_rows(query, read_endpoint);
}

std::vector<EndpointRow> NetworkStore::endpoints_of(const std::string& container) {
  SQLite::Statement query(db_.get(),
                          std::string(kEndpointColumns) + "WHERE container=? ORDER BY interface");
  query.bind(1, container);
  return read_all_rows(query, read_endpoint);
}

std::vector<EndpointRow> NetworkStore::endpoints() {
  SQLite::Statement query(db_.get(), std::string(kEndpointColumns) + "ORDER BY network, address");
  return read_all_rows(query, read_endpoint);
}

void NetworkStore::insert(const PortRow& row) {
  run(db_, "INSERT OR REPLACE INTO network_ports VALUES(?,?,?,?,?,?,?)", row.host.value, row.port,
      static_cast<int>(row.protocol), row.target.value, row.target_port, row.container, boot_);
}

void NetworkStore::remove_ports(const std::string& container) {
  run(db_, "DELETE FROM network_ports WHERE container=?", container);
}

std::vector<PortRow> NetworkStore::ports() {
  SQLite::Statement query(db_.get(), std::string(kPortColumns) + "ORDER BY port, protocol, host");
  return read_all_rows(query, read_port);
}

std::vector<PortRow> NetworkStore::ports_of(const std::string& container) {
  SQLite::Statement query(
      db_.get(), std::string(kPortColumns) + "WHERE container=? ORDER BY port, protocol, host");
  query.bind(1, container);
  return read_all_rows(query, read_port);
}

}  // namespace pcompose::netns
