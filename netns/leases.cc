// NetworkStore's leases: which address an owner has on a network, sticky over recreation.
#include <set>

#include "base/error.h"
#include "netns/network_store.h"

namespace pcompose::netns {
namespace {

struct Held {
  std::set<Ipv4> leased;
  std::set<Ipv4> used;  // by endpoints that exist
  Ipv4 latest;          // the newest choice is the highest so far, or near it
};

std::optional<Ipv4> current(Database& db, const std::string& network, const std::string& owner) {
  SQLite::Statement query(db.get(),
                          "SELECT address FROM network_leases WHERE network=? AND owner=?");
  query.bind(1, network);
  query.bind(2, owner);
  if (!query.executeStep()) return {};
  return Ipv4{query.getColumn(0).getUInt()};
}

std::set<Ipv4> addresses(Database& db, const char* sql, const std::string& network) {
  std::set<Ipv4> out;
  SQLite::Statement query(db.get(), sql);
  query.bind(1, network);
  while (query.executeStep()) out.insert(Ipv4{query.getColumn(0).getUInt()});
  return out;
}

Held held(Database& db, const std::string& network) {
  Held out;
  out.leased = addresses(db, "SELECT address FROM network_leases WHERE network=?", network);
  out.used = addresses(db, "SELECT address FROM network_endpoints WHERE network=?", network);
  if (!out.leased.empty()) out.latest = *out.leased.rbegin();
  return out;
}

void store(Database& db, const std::string& network, const std::string& owner, Ipv4 address) {
  SQLite::Statement evict(db.get(), "DELETE FROM network_leases WHERE network=? AND address=?");
  evict.bind(1, network);
  evict.bind(2, address.value);
  evict.exec();
  SQLite::Statement insert(db.get(), "INSERT OR REPLACE INTO network_leases VALUES(?,?,?)");
  insert.bind(1, network);
  insert.bind(2, owner);
  insert.bind(3, address.value);
  insert.exec();
}

void check_wanted(const NetworkRow& network, Ipv4 wanted) {
  if (!network.subnet.contains(wanted) || wanted == network.subnet.base ||
      wanted == network.subnet.last() || wanted == network.gateway) {
    throw Error("the address " + wanted.str() + " cannot be given on the network " + network.name)
        .hint("its subnet is " + network.subnet.str() + ", its gateway " + network.gateway.str());
  }
}

// The one after the highest, without reading them all: batches would be quadratic otherwise.
// nullopt at the subnet's end.
std::optional<Ipv4> next(Database& db, const NetworkRow& network) {
  SQLite::Statement query(db.get(), "SELECT MAX(address) FROM network_leases WHERE network=?");
  query.bind(1, network.id);
  query.executeStep();
  Ipv4 highest = query.isColumnNull(0) ? network.subnet.base : Ipv4{query.getColumn(0).getUInt()};
  Ipv4 candidate{highest.value + 1};
  if (candidate == network.gateway) ++candidate.value;
  if (!network.subnet.contains(candidate) || candidate == network.subnet.last()) return {};
  return candidate;
}

Ipv4 choose(const NetworkRow& network, Held& held) {
  held.leased.insert(network.gateway);
  held.used.insert(network.gateway);
  if (auto fresh = pick_address(network.subnet, held.leased, held.latest)) return *fresh;
  // Every address is somebody's lease: take one that nothing uses now.
  if (auto unused = pick_address(network.subnet, held.used, held.latest)) return *unused;
  throw Error("the network " + network.name + " (" + network.subnet.str() +
              ") has no address left");
}

}  // namespace

Ipv4 NetworkStore::lease(const NetworkRow& network, const std::string& owner,
                         std::optional<Ipv4> wanted) {
  auto before = current(db_, network.id, owner);
  if (wanted) {
    check_wanted(network, *wanted);
    if (before == wanted) return *wanted;
    if (held(db_, network.id).used.contains(*wanted)) {
      throw Error("the address " + wanted->str() + " on the network " + network.name +
                  " is in use by another container");
    }
    store(db_, network.id, owner, *wanted);
    return *wanted;
  }
  if (before) return *before;
  auto address = next(db_, network);
  if (!address) {
    Held all = held(db_, network.id);
    address = choose(network, all);
  }
  store(db_, network.id, owner, *address);
  return *address;
}

}  // namespace pcompose::netns
