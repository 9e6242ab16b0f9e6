// NetworkWorker's ports.
#include <algorithm>

#include "netns/attempt.h"
#include "netns/network_worker.h"
#include "netns/run_lock.h"

namespace pcompose::netns {
namespace {

PortWish wish_of(const PublishSpec& port) {
  return {port.host_ip, port.port, port.last_port, port.protocol};
}

bool clashes(const PortRow& row, const PortRow& taken) {
  bool same_family = (row.host.v6() != nullptr) == (taken.host.v6() != nullptr);
  return row.port == taken.port && row.protocol == taken.protocol && same_family &&
         (row.host == taken.host || row.host.is_any() || taken.host.is_any());
}

// The container's address that a packet to `host` can be sent to; of the other family where it has
// none of that one, and the forwarder translates.
std::optional<Ip> target_for(const Ip& host, const std::vector<EndpointRow>& endpoints) {
  for (bool same : {true, false}) {
    bool want6 = (host.v6() != nullptr) == same;
    for (const EndpointRow& e : endpoints) {
      if (want6 && e.address6) return Ip(*e.address6);
      if (!want6 && e.address) return Ip(*e.address);
    }
  }
  return {};
}

}  // namespace

// Another project of this root is known by name; /proc would only say "pcompose-keeper".
std::string NetworkWorker::port_owner(const PortRow& taken) {
  for (const PortRow& row : store_.ports()) {
    if (!clashes(row, taken)) continue;
    auto endpoints = store_.endpoints_of(row.container);
    if (endpoints.empty()) continue;
    return endpoints.front().replica + " of the project " + endpoints.front().project;
  }
  return host_.run([&] { return port_holder(taken.host, taken.port, taken.protocol); });
}

std::vector<ReservedPort> NetworkWorker::reserve(const std::vector<PublishSpec>& ports,
                                                 Conflict conflict) {
  std::vector<ReservedPort> out;
  for (const PublishSpec& port : ports) {
    PortWish wish = wish_of(port);
    PortRow taken;
    auto bind = [&] { return try_reserve(wish, taken); };
    auto reserved = host_.run(bind);
    while (reserved.empty() && conflict == Conflict::next_free) {
      auto next = host_.run([&] { return next_free(wish, taken.port); });
      if (!next) break;
      wish.first = wish.last = *next;  // somebody may be quicker than we: then the one after it
      reserved = host_.run(bind);
    }
    if (reserved.empty()) throw port_in_use(wish_of(port), taken, port_owner(taken));
    for (ReservedPort& one : reserved) out.push_back(std::move(one));
  }
  return out;
}

// The network with the default route first: answers leave by the way the question came.
std::vector<EndpointRow> NetworkWorker::port_targets(const PublishSpec& port) {
  auto endpoints = store_.endpoints_of(port.container);
  if (!port.network.empty()) {
    auto network = store_.network(port.network);
    std::erase_if(endpoints,
                  [&](const EndpointRow& e) { return !network || e.network != network->id; });
  }
  auto leading = std::ranges::find(endpoints, true, &EndpointRow::is_default);
  if (leading != endpoints.end()) std::rotate(endpoints.begin(), leading, leading + 1);
  return endpoints;
}

std::vector<PortRow> NetworkWorker::port_rows(const PublishSpec& port) {
  if (port.port == 0 || port.target_port == 0) throw Error("a port to publish must not be 0");
  auto endpoints = port_targets(port);
  std::vector<PortRow> out;
  for (const Ip& host : host_.run([&] { return host_addresses(port.host_ip); })) {
    auto target = target_for(host, endpoints);
    if (!target) {
      throw Error("port " + port_text(host, port.port, port.protocol) +
                  " cannot be published: the container is on no network");
    }
    out.push_back({host, port.port, port.protocol, *target, port.target_port, port.container});
  }
  return out;
}

std::vector<PortRow> NetworkWorker::publish(const std::vector<PublishSpec>& ports) {
  std::vector<PortRow> rows;
  for (const PublishSpec& port : ports) {
    for (PortRow& row : port_rows(port)) rows.push_back(std::move(row));
  }
  Fd lock = lock_networks(roots_, Hold::exclusive);
  ensure_table();
  Transaction transaction(db_);
  for (const PortRow& row : rows) store_.insert(row);
  transaction.commit();
  firewall_.publish(rows);
  std::erase_if(rows, [](const PortRow& row) { return !row.is_spliced(); });
  return rows;
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
  attempt(errors, [&] {
    if (firewall_.table_exists()) firewall_.unpublish(rows);
    Transaction transaction(db_);
    for (const std::string& container : containers) store_.remove_ports(container);
    transaction.commit();
  });
  return errors;
}

}  // namespace pcompose::netns
