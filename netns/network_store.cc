#include "netns/network_store.h"

#include "base/error.h"
#include "netns/row_json.h"

namespace pcompose::netns {
namespace {

constexpr int kVersion = 2;
// Version 1 knew no IPv6 and was never released: its rows are not carried over.
constexpr const char* kSchema = R"(
  DROP TABLE IF EXISTS network_ports;
  DROP TABLE IF EXISTS network_endpoints;
  DROP TABLE IF EXISTS network_leases;
  DROP TABLE IF EXISTS networks;
  CREATE TABLE networks(
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, project TEXT NOT NULL, key TEXT NOT NULL,
    bridge TEXT NOT NULL UNIQUE, subnet TEXT NOT NULL, gateway INTEGER NOT NULL,
    subnet6 TEXT NOT NULL, gateway6 TEXT NOT NULL, internal INTEGER NOT NULL,
    labels TEXT NOT NULL, options TEXT NOT NULL, released INTEGER NOT NULL DEFAULT 0);
  CREATE TABLE network_leases(
    network TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE, owner TEXT NOT NULL,
    address INTEGER NOT NULL, PRIMARY KEY(network, owner), UNIQUE(network, address)) WITHOUT ROWID;
  CREATE TABLE network_leases6(
    network TEXT NOT NULL REFERENCES networks(id) ON DELETE CASCADE, owner TEXT NOT NULL,
    address TEXT NOT NULL, PRIMARY KEY(network, owner), UNIQUE(network, address)) WITHOUT ROWID;
  CREATE TABLE network_endpoints(
    network TEXT NOT NULL REFERENCES networks(id), container TEXT NOT NULL, project TEXT NOT NULL,
    service TEXT NOT NULL, replica TEXT NOT NULL, names TEXT NOT NULL, interface TEXT NOT NULL,
    link TEXT NOT NULL, address INTEGER, address6 TEXT, mac TEXT NOT NULL,
    is_default INTEGER NOT NULL, boot TEXT NOT NULL,
    PRIMARY KEY(network, container)) WITHOUT ROWID;
  CREATE INDEX network_endpoints_container ON network_endpoints(container);
  CREATE TABLE network_ports(
    host TEXT NOT NULL, port INTEGER NOT NULL, protocol INTEGER NOT NULL,
    target TEXT NOT NULL, target_port INTEGER NOT NULL, container TEXT NOT NULL,
    boot TEXT NOT NULL, PRIMARY KEY(host, port, protocol)) WITHOUT ROWID;
  CREATE INDEX network_ports_container ON network_ports(container);
)";

constexpr const char* kNetworkColumns =
    "SELECT id, name, project, key, bridge, subnet, gateway, subnet6, gateway6, internal, labels, "
    "options FROM networks ";
constexpr const char* kEndpointColumns =
    "SELECT network, container, project, service, replica, names, interface, link, address, "
    "address6, mac, is_default FROM network_endpoints ";
constexpr const char* kPortColumns =
    "SELECT host, port, protocol, target, target_port, container FROM network_ports ";

std::string text_at(const SQLite::Statement& row, int column) {
  return row.getColumn(column).getString();
}

template <class T>
T parsed(const std::optional<T>& value) {
  if (!value) throw Error("the state database holds a bad address");
  return *value;
}

NetworkRow read_network(const SQLite::Statement& row) {
  NetworkRow out;
  out.id = text_at(row, 0);
  out.name = text_at(row, 1);
  out.project = text_at(row, 2);
  out.key = text_at(row, 3);
  out.bridge = text_at(row, 4);
  out.ipv4 = !text_at(row, 5).empty();
  if (out.ipv4) out.subnet = parsed(Prefix::parse(text_at(row, 5)));
  out.gateway = Ipv4{row.getColumn(6).getUInt()};
  if (!text_at(row, 7).empty()) out.subnet6 = parsed(Prefix6::parse(text_at(row, 7)));
  out.gateway6 = parsed(Ipv6::parse(text_at(row, 8)));
  out.reach = row.getColumn(9).getInt() != 0 ? Reach::internal : Reach::outside;
  auto labels = json::parse(text_at(row, 10));
  out.labels = json::value_to<std::map<std::string, std::string>>(labels);
  out.options = options_from_json(text_at(row, 11));
  return out;
}

EndpointRow read_endpoint(const SQLite::Statement& row) {
  EndpointRow out;
  out.network = text_at(row, 0);
  out.container = text_at(row, 1);
  out.project = text_at(row, 2);
  out.service = text_at(row, 3);
  out.replica = text_at(row, 4);
  out.names = json::value_to<std::vector<std::string>>(json::parse(text_at(row, 5)));
  out.interface = text_at(row, 6);
  out.link = text_at(row, 7);
  if (!row.isColumnNull(8)) out.address = Ipv4{row.getColumn(8).getUInt()};
  if (!row.isColumnNull(9)) out.address6 = parsed(Ipv6::parse(text_at(row, 9)));
  out.mac = parsed(Mac::parse(text_at(row, 10)));
  out.is_default = row.getColumn(11).getInt() != 0;
  return out;
}

PortRow read_port(const SQLite::Statement& row) {
  PortRow out;
  out.host = parsed(Ip::parse(text_at(row, 0)));
  out.port = static_cast<uint16_t>(row.getColumn(1).getUInt());
  out.protocol = row.getColumn(2).getInt() != 0 ? Protocol::udp : Protocol::tcp;
  out.target = parsed(Ip::parse(text_at(row, 3)));
  out.target_port = static_cast<uint16_t>(row.getColumn(4).getUInt());
  out.container = text_at(row, 5);
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

std::string_view driver_name(Driver driver) {
  if (driver == Driver::macvlan) return "macvlan";
  return driver == Driver::ipvlan ? "ipvlan" : "bridge";
}

bool PortRow::is_mapped() const {
  bool same_family = (host.v6() != nullptr) == (target.v6() != nullptr);
  return same_family && !(host.v6() != nullptr && host.is_loopback());
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

std::vector<Prefix> NetworkStore::subnets() {
  SQLite::Statement query(db_.get(), "SELECT subnet FROM networks WHERE subnet<>''");
  return read_all_rows(query,
                       [](const auto& row) { return parsed(Prefix::parse(text_at(row, 0))); });
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
  run(db_, "INSERT OR IGNORE INTO networks VALUES(?,?,?,?,?,?,?,?,?,?,?,?,0)", row.id, row.name,
      row.project, row.key, row.bridge, row.ipv4 ? row.subnet.str() : "", row.gateway.value,
      row.subnet6 ? row.subnet6->str() : "", row.gateway6.str(),
      row.reach == Reach::internal ? 1 : 0, json::serialize(json::value_from(row.labels)),
      options_to_json(row.options));
  return db_.get().getChanges() == 1;
}

void NetworkStore::remove_networks(const std::vector<NetworkRow>& rows) {
  Transaction transaction(db_);
  for (const NetworkRow& row : rows) run(db_, "DELETE FROM networks WHERE id=?", row.id);
  transaction.commit();
}

void NetworkStore::set_released(const std::string& id) {
  run(db_, "UPDATE networks SET released=1, project='' WHERE id=?", id);
}

bool NetworkStore::is_released(const std::string& id) {
  SQLite::Statement query(db_.get(), "SELECT 1 FROM networks WHERE id=? AND released=1");
  query.bind(1, id);
  return query.executeStep();
}

void NetworkStore::set_project(const std::string& id, const std::string& project) {
  run(db_, "UPDATE networks SET released=0, project=? WHERE id=?", project, id);
}

void NetworkStore::insert(const EndpointRow& row) {
  SQLite::Statement insert(
      db_.get(), "INSERT OR REPLACE INTO network_endpoints VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
  int column = 0;
  for (const std::string& text :
       {row.network, row.container, row.project, row.service, row.replica,
        json::serialize(json::value_from(row.names)), row.interface, row.link}) {
    insert.bind(++column, text);
  }
  ++column;
  if (row.address) insert.bind(column, row.address->value);  // else NULL
  ++column;
  if (row.address6) insert.bind(column, row.address6->str());
  insert.bind(++column, row.mac.str());
  insert.bind(++column, row.is_default ? 1 : 0);
  insert.bind(++column, boot_);
  insert.exec();
}

void NetworkStore::remove_endpoints(const std::string& container) {
  run(db_, "DELETE FROM network_endpoints WHERE container=?", container);
}

void NetworkStore::remove_endpoint(const std::string& network, const std::string& container) {
  run(db_, "DELETE FROM network_endpoints WHERE network=? AND container=?", network, container);
}

std::vector<EndpointRow> NetworkStore::endpoints_on(const std::string& network) {
  SQLite::Statement query(db_.get(), std::string(kEndpointColumns) +
                                         "WHERE network=? ORDER BY address, address6, container");
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
  SQLite::Statement query(
      db_.get(), std::string(kEndpointColumns) + "ORDER BY network, address, address6, container");
  return read_all_rows(query, read_endpoint);
}

void NetworkStore::insert(const PortRow& row) {
  run(db_, "INSERT OR REPLACE INTO network_ports VALUES(?,?,?,?,?,?,?)", row.host.str(), row.port,
      static_cast<int>(row.protocol), row.target.str(), row.target_port, row.container, boot_);
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
