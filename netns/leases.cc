// NetworkStore's leases: which address an owner has on a network, sticky over recreation.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "netns/network_store.h"

namespace pcompose::netns {
namespace {

// Where dynamic addresses come from, both ends included.
struct Range {
  Ipv4 low, high;
};

Range dynamic_range(const NetworkRow& network) {
  Range all{network.subnet.first(), Ipv4{network.subnet.last().value - 1}};
  if (!network.options.range) return all;
  return {std::max(all.low, network.options.range->base),
          std::min(all.high, network.options.range->last())};
}

// Never given: the bridge's own, and what the file says is somebody else's.
std::set<Ipv4> blocked(const NetworkRow& network) {
  std::set<Ipv4> out{network.gateway};
  for (const auto& [name, text] : network.options.aux) {
    if (auto address = Ipv4::parse(text)) out.insert(*address);
  }
  return out;
}

bool is_blocked(const NetworkRow& network, const Ipv6& address) {
  if (address == network.gateway6 || address == network.subnet6->base) return true;
  return std::ranges::any_of(network.options.aux,
                             [&](const auto& aux) { return Ipv6::parse(aux.second) == address; });
}

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

std::set<Ipv4> used(Database& db, const std::string& network) {
  return addresses(
      db, "SELECT address FROM network_endpoints WHERE network=? AND address IS NOT NULL", network);
}

template <class Value>
void store(Database& db, const std::string& table, const std::string& network,
           const std::string& owner, const Value& address) {
  SQLite::Statement evict(db.get(), "DELETE FROM " + table + " WHERE network=? AND address=?");
  evict.bind(1, network);
  evict.bind(2, address);
  evict.exec();
  SQLite::Statement insert(db.get(), "INSERT OR REPLACE INTO " + table + " VALUES(?,?,?)");
  insert.bind(1, network);
  insert.bind(2, owner);
  insert.bind(3, address);
  insert.exec();
}

void check_wanted(const NetworkRow& network, Ipv4 wanted) {
  if (!network.subnet.contains(wanted) || wanted == network.subnet.base ||
      wanted == network.subnet.last() || blocked(network).contains(wanted)) {
    throw Error("the address " + wanted.str() + " cannot be given on the network " + network.name)
        .hint("its subnet is " + network.subnet.str() + ", its gateway " + network.gateway.str());
  }
}

Error in_use(const NetworkRow& network, const std::string& address) {
  return Error("the address " + address + " on the network " + network.name +
               " is in use by another container");
}

// The one after the highest, without reading them all: batches would be quadratic otherwise.
// nullopt at the range's end.
std::optional<Ipv4> next(Database& db, const NetworkRow& network) {
  Range range = dynamic_range(network);
  SQLite::Statement query(
      db.get(),
      "SELECT MAX(address) FROM network_leases WHERE network=? AND address BETWEEN ? AND ?");
  query.bind(1, network.id);
  query.bind(2, range.low.value);
  query.bind(3, range.high.value);
  query.executeStep();
  Ipv4 candidate = range.low;
  if (!query.isColumnNull(0)) candidate = Ipv4{query.getColumn(0).getUInt() + 1};
  auto never = blocked(network);
  while (never.contains(candidate)) ++candidate.value;
  if (candidate > range.high) return {};
  return candidate;
}

Ipv4 choose(Database& db, const NetworkRow& network) {
  Range range = dynamic_range(network);
  std::set<Ipv4> leased =
      addresses(db, "SELECT address FROM network_leases WHERE network=?", network.id);
  std::set<Ipv4> busy = used(db, network.id);
  Ipv4 latest = leased.empty() ? Ipv4{} : *leased.rbegin();
  for (Ipv4 never : blocked(network)) {
    leased.insert(never);
    busy.insert(never);
  }
  if (auto fresh = pick_between(range.low, range.high, leased, latest)) return *fresh;
  // Every address is somebody's lease: take one that nothing uses now.
  if (auto unused = pick_between(range.low, range.high, busy, latest)) return *unused;
  std::string from = network.options.range ? network.options.range->str() : network.subnet.str();
  throw Error("the network " + network.name + " (" + from + ") has no address left");
}

bool exists(Database& db, const char* sql, const std::string& network, const std::string& address) {
  SQLite::Statement query(db.get(), sql);
  query.bind(1, network);
  query.bind(2, address);
  return query.executeStep();
}

constexpr const char* kLeased6 = "SELECT 1 FROM network_leases6 WHERE network=? AND address=?";
constexpr const char* kUsed6 = "SELECT 1 FROM network_endpoints WHERE network=? AND address6=?";

// The number of the owner's IPv4 address: both families then look alike, and it is free.
uint64_t first_number(Database& db, const NetworkRow& network, const std::string& owner) {
  auto v4 = network.ipv4 ? current(db, network.id, owner) : std::nullopt;
  return v4 ? v4->value - network.subnet.base.value : 2;
}

Ipv6 choose6(Database& db, const NetworkRow& network, const std::string& owner) {
  Prefix6 range = network.options.range6.value_or(*network.subnet6);
  for (uint64_t n = first_number(db, network, owner); range.has_room_for(n) && n < 1U << 20U; ++n) {
    Ipv6 candidate = range.at(n);
    if (is_blocked(network, candidate)) continue;
    if (!exists(db, kLeased6, network.id, candidate.str())) return candidate;
  }
  throw Error("the network " + network.name + " (" + range.str() + ") has no address left");
}

}  // namespace

Ipv4 NetworkStore::lease(const NetworkRow& network, const std::string& owner,
                         std::optional<Ipv4> wanted) {
  auto before = current(db_, network.id, owner);
  if (wanted) {
    check_wanted(network, *wanted);
    if (before == wanted) return *wanted;
    if (used(db_, network.id).contains(*wanted)) throw in_use(network, wanted->str());
    store(db_, "network_leases", network.id, owner, wanted->value);
    return *wanted;
  }
  if (before) return *before;
  auto address = next(db_, network);
  if (!address) address = choose(db_, network);
  store(db_, "network_leases", network.id, owner, address->value);
  return *address;
}

Ipv6 NetworkStore::lease6(const NetworkRow& network, const std::string& owner,
                          std::optional<Ipv6> wanted) {
  SQLite::Statement query(db_.get(),
                          "SELECT address FROM network_leases6 WHERE network=? AND owner=?");
  query.bind(1, network.id);
  query.bind(2, owner);
  std::optional<Ipv6> before;
  if (query.executeStep()) before = Ipv6::parse(query.getColumn(0).getString());
  if (wanted) {
    if (!network.subnet6->contains(*wanted) || is_blocked(network, *wanted)) {
      throw Error("the address " + wanted->str() + " cannot be given on the network " +
                  network.name)
          .hint("its IPv6 subnet is " + network.subnet6->str());
    }
    bool taken = before != wanted && exists(db_, kUsed6, network.id, wanted->str());
    if (taken) throw in_use(network, wanted->str());
  } else if (before) {
    return *before;
  }
  Ipv6 address = wanted ? *wanted : choose6(db_, network, owner);
  store(db_, "network_leases6", network.id, owner, address.str());
  return address;
}

}  // namespace pcompose::netns
