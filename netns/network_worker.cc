#include "netns/network_worker.h"

#include <algorithm>
#include <chrono>

#include "base/sha256.h"
#include "netns/attempt.h"
#include "netns/endpoint_events.h"
#include "netns/forwarding.h"
#include "netns/marked_packets.h"
#include "netns/neighbours.h"
#include "netns/run_lock.h"

namespace pcompose::netns {
namespace {

constexpr unsigned kSubnet6Tries = 64;

std::string joined_replicas(const std::vector<EndpointRow>& endpoints) {
  std::string out;
  for (const EndpointRow& e : endpoints) out += (out.empty() ? "" : ", ") + e.replica;
  return out;
}

int64_t now_ns() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

Ipv6 first_of(const Prefix6& subnet) { return subnet.at(1); }

// The link group of bridges that are being deleted; replicas' links have another (replica_net.cc).
uint32_t leaving_group(const std::string& tag) {
  return 1U << 29U | static_cast<uint32_t>(std::hash<std::string>{}(tag) & 0xFFFFFFFU);
}

}  // namespace

NetworkWorker::NetworkWorker(const Roots& roots, const HostSide& host)
    : roots_(roots),
      host_(host),
      db_(roots.database()),
      store_(db_, boot_id()),
      firewall_(roots.tag) {}

void NetworkWorker::check_overlap(const Prefix& subnet) {
  for (const NetworkRow& other : store_.networks()) {
    if (!other.ipv4 || !other.subnet.overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps " + other.subnet.str() +
                " of the network " + other.name);
  }
  for (const Prefix& route : kernel_.routes()) {
    if (!route.overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps the host's route to " + route.str());
  }
}

void NetworkWorker::check_overlap(const Prefix6& subnet) {
  for (const NetworkRow& other : store_.networks()) {
    if (!other.subnet6 || !other.subnet6->overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps " + other.subnet6->str() +
                " of the network " + other.name);
  }
  for (const Prefix6& route : kernel_.routes6()) {
    if (!route.overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps the host's route to " + route.str());
  }
}

Prefix6 NetworkWorker::choose_subnet6(const std::string& name) {
  std::vector<Prefix6> taken = kernel_.routes6();
  for (const NetworkRow& other : store_.networks()) {
    if (other.subnet6) taken.push_back(*other.subnet6);
  }
  for (unsigned attempt = 0; attempt < kSubnet6Tries; ++attempt) {
    Prefix6 candidate = unique_local_subnet(roots_.tag + "/" + name, attempt);
    auto overlaps = [&](const Prefix6& p) { return p.overlaps(candidate); };
    if (std::ranges::none_of(taken, overlaps)) return candidate;
  }
  throw Error("no IPv6 subnet is free").hint("give the network an IPv6 subnet of its own");
}

void NetworkWorker::choose_subnets(const NetworkSpec& spec, const NetworkPlan& plan,
                                   NetworkRow& row) {
  bool shared = row.options.driver != Driver::bridge;  // the LAN of its parent has it, too
  if (spec.ipv4) {
    if (plan.subnet) {
      if (!shared) check_overlap(*plan.subnet);
      row.subnet = *plan.subnet;
    } else {
      std::vector<Prefix> taken = kernel_.routes();
      for (const Prefix& subnet : store_.subnets()) taken.push_back(subnet);
      row.subnet = pick_subnet(default_pools(), taken);
    }
    row.gateway = plan.gateway.value_or(row.subnet.first());
  }
  if (!spec.ipv6) return;
  if (plan.subnet6 && !shared) check_overlap(*plan.subnet6);
  row.subnet6 = plan.subnet6 ? *plan.subnet6 : choose_subnet6(spec.name);
  row.gateway6 = plan.gateway6.value_or(first_of(*row.subnet6));
}

NetworkRow NetworkWorker::make_row(const NetworkSpec& spec) {
  NetworkPlan plan = plan_network(spec);
  NetworkRow row;
  row.id = random_hex(6);
  row.name = spec.name;
  row.project = spec.project;
  row.key = spec.key;
  row.bridge = plan.bridge.empty() ? "pc-" + row.id.substr(0, 8) : plan.bridge;
  row.ipv4 = spec.ipv4;
  row.reach = spec.reach;
  row.labels = spec.labels;
  row.options = plan.options;
  row.options.created_ns = now_ns();
  if (kernel_.link_exists(row.bridge)) {
    throw Error("the host has a link " + row.bridge + " already")
        .hint("choose another com.docker.network.bridge.name");
  }
  choose_subnets(spec, plan, row);
  return row;
}

std::vector<EnsuredNetwork> NetworkWorker::ensure(std::span<const NetworkSpec> specs) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  std::vector<EnsuredNetwork> out;
  std::vector<NetworkRow> rows;
  auto attempt = [](const auto& make) -> EnsuredNetwork {
    try {
      return make();
    } catch (const Error& e) {
      return std::unexpected(e);
    }
  };
  for (const NetworkSpec& spec : specs) {
    out.push_back(attempt([&] { return claim(spec); }));
    if (out.back()) rows.push_back(*out.back());
  }
  if (attempt([&] { return install(rows), NetworkRow(); })) return out;
  // Whose fault it is: each on its own.
  for (EnsuredNetwork& network : out) {
    if (network) network = attempt([&] { return install({&*network, 1}), *network; });
  }
  return out;
}

NetworkRow NetworkWorker::claim(const NetworkSpec& spec) {
  if (spec.name.empty()) throw Error("a network needs a name");
  auto row = store_.network(spec.name);
  std::string change = row ? difference(*row, spec) : "";
  if (!change.empty()) {
    auto users = store_.endpoints_on(row->id);
    bool ours = row->project == spec.project && users.empty();
    if (!ours) {
      throw Error("the network " + row->name + " exists and would have to be made anew with " +
                  change + (users.empty() ? "" : "; " + joined_replicas(users) + " is on it"))
          .hint("take down what uses it, or remove it first");
    }
    auto errors = remove_rows({*row});
    if (!errors.empty()) throw errors.front();
    row.reset();
  }
  if (!row) {
    row = make_row(spec);
    // The row first: a crash after it leaves a name that the next run completes or removes.
    if (!store_.insert(*row))
      throw Error("another network has the link " + row->bridge + " already");
  } else if (row->project.empty() && !spec.project.empty()) {
    if (!store_.is_released(row->id)) {
      throw Error("the network " + row->name + " exists and no project made it")
          .hint("write `external: true` to use it");
    }
    store_.set_project(row->id, spec.project);  // released to others, and wanted again
    row->project = spec.project;
  }
  return *row;
}

namespace {

std::string cure_of_missing(const std::string& name) {
  return "make it with `pcompose network create " + name +
         "`, or by the project that owns it; or leave `external` out";
}

}  // namespace

NetworkRow NetworkWorker::use(const std::string& name) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  auto row = store_.network(name);
  if (!row) {
    throw Error("network " + name + " declared as external, but could not be found")
        .hint(cure_of_missing(name));
  }
  install({&*row, 1});
  return *row;
}

NetworkRow NetworkWorker::require_network(const std::string& name) {
  auto row = store_.network(name);
  if (row) return *row;
  throw Error("the network " + name + " does not exist").hint(cure_of_missing(name));
}

bool NetworkWorker::is_up(const NetworkRow& row) {
  return row.options.driver != Driver::bridge || kernel_.link_exists(row.bridge);
}

// The rules before the bridge: at no time is there a bridge that they do not guard.
void NetworkWorker::install(std::span<const NetworkRow> networks) {
  std::vector<NetworkRow> rows(networks.begin(), networks.end());
  std::erase_if(rows, [](const NetworkRow& row) { return row.options.driver != Driver::bridge; });
  if (rows.empty()) return;
  ensure_table();
  firewall_.add_networks(rows);
  // After the table, which refuses what is not ours.
  if (std::ranges::any_of(rows, &NetworkRow::ipv4)) allow_forwarding(Family::v4);
  if (std::ranges::any_of(rows, [](const NetworkRow& row) { return row.subnet6.has_value(); }))
    allow_forwarding(Family::v6);
  for (const NetworkRow& row : rows) {
    BridgeSpec bridge{row.bridge,  row.subnet,   row.gateway,     row.ipv4,
                      row.subnet6, row.gateway6, row.options.mtu, roots_.tag};
    kernel_.ensure_bridge(bridge);
    accept_once(row.bridge);
  }
}

void NetworkWorker::allow_forwarding(Family family) {
  firewall_.add_foreign(family, foreign_links(roots_, kernel_, family));
  enable_forwarding(roots_, kernel_, family);
}

void NetworkWorker::ensure_table() {
  // New, or flushed by somebody while we ran.
  if (firewall_.ensure_table()) fill_table();
}

// In a namespace of our own every published port is spliced, and who called is to be seen all the
// same. On the host that would take rules and routes that are not ours to make; there nftables
// keeps the address by itself. The route comes last: it tells the forwarder that all is there.
void NetworkWorker::keep_clients() {
  if (!host_.is_elsewhere() || !firewall_.mark_answers(kClientsMark)) return;
  try {
    kernel_.deliver_marked(kClientsMark);
  } catch (const Error&) {
    // Without, containers see the gateway.
  }
}

// Everything that lives goes back in.
void NetworkWorker::fill_table() {
  keep_clients();
  for (Family family : {Family::v4, Family::v6}) {
    firewall_.add_foreign(family, recorded_links(roots_, family));
  }
  auto rows = store_.networks();
  std::erase_if(rows, [&](const NetworkRow& row) { return !kernel_.link_exists(row.bridge); });
  firewall_.add_networks(rows);
  firewall_.publish(store_.ports());
}

bool NetworkWorker::repair() {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  auto rows = store_.networks();
  bool used = std::ranges::any_of(
      rows, [&](const NetworkRow& row) { return kernel_.link_exists(row.bridge); });
  if (!used) return false;
  bool flushed = firewall_.ensure_table();
  if (flushed) fill_table();
  accepted_.clear();  // the others' rules went, too, or others have come
  for (const NetworkRow& row : rows) {
    if (kernel_.link_exists(row.bridge)) accept_once(row.bridge);
  }
  return flushed;
}

// Asking programs takes milliseconds: once for each name that they are told, in this process's
// life.
void NetworkWorker::accept_once(const std::string& bridge) {
  std::string link = link_at_neighbours(bridge);
  if (accepted_.contains(link)) return;
  accept_at_neighbours(roots_, link);
  accepted_.insert(link);
}

void NetworkWorker::remove_from_kernel(const std::vector<NetworkRow>& rows,
                                       std::vector<Error>& errors) {
  std::vector<std::string> bridges;
  for (const NetworkRow& row : rows) {
    if (row.options.driver == Driver::bridge) bridges.push_back(row.bridge);
  }
  // The bridges before their rules: see install().
  attempt(errors, [&] { kernel_.delete_bridges(bridges, leaving_group(roots_.tag)); });
  attempt(errors, [&] {
    if (firewall_.table_exists()) firewall_.remove_networks(rows);
  });
}

std::vector<Error> NetworkWorker::remove_rows(const std::vector<NetworkRow>& rows) {
  std::vector<Error> errors;
  remove_from_kernel(rows, errors);
  // What is still there keeps its row, so that the next run finds it.
  if (errors.empty()) attempt(errors, [&] { store_.remove_networks(rows); });
  attempt(errors, [&] { forget_table(); });
  return errors;
}

std::vector<Error> NetworkWorker::remove(const std::string& name) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  auto row = store_.network(name);
  if (!row) return {};
  auto users = store_.endpoints_on(row->id);
  if (!users.empty()) {
    throw Error("the network " + name + " is in use by " + joined_replicas(users));
  }
  return remove_rows({*row});
}

std::map<std::string, Error> NetworkWorker::release(const std::vector<std::string>& names,
                                                    const std::string& project) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  std::map<std::string, Error> failed;
  std::vector<NetworkRow> free;
  for (const std::string& name : names) {
    auto row = store_.network(name);
    if (!row) continue;
    auto users = store_.endpoints_on(row->id);
    bool others = std::ranges::any_of(users, [&](const auto& e) { return e.project != project; });
    if (others) {
      store_.set_released(row->id);
    } else if (!users.empty()) {
      failed.emplace(name,
                     Error("the network " + name + " is in use by " + joined_replicas(users)));
    } else {
      free.push_back(std::move(*row));
    }
  }
  if (free.empty()) return failed;
  auto errors = remove_rows(free);
  if (errors.empty()) return failed;
  for (const NetworkRow& row : free) failed.emplace(row.name, errors.front());
  return failed;
}

void NetworkWorker::forget_table() {
  std::vector<std::string> ours;
  // Rows without a bridge are networks that nobody has used since the boot.
  auto links = kernel_.links();
  for (const NetworkRow& row : store_.networks()) {
    if (links.contains(row.bridge)) return;
    ours.push_back(row.bridge);
  }
  firewall_.remove_table();
  leave_neighbours(roots_);
  accepted_.clear();
  release_forwarding(roots_, kernel_, ours);
}

void NetworkWorker::leave_networks(const std::set<std::string>& ids, std::vector<Error>& errors) {
  if (ids.empty()) return;
  for (const NetworkRow& row : store_.networks()) {
    // A project takes its networks down itself.
    if (!ids.contains(row.id) || !row.project.empty()) continue;
    Fd lock = lock_networks(roots_, Hold::exclusive);
    if (!store_.endpoints_on(row.id).empty()) continue;
    if (store_.is_released(row.id)) {
      auto failed = remove_rows({row});
      errors.insert(errors.end(), failed.begin(), failed.end());
      continue;
    }
    // One that somebody made by hand stays as a row; who is on it next makes the bridge.
    remove_from_kernel({row}, errors);
    attempt(errors, [&] { forget_table(); });
  }
}

void NetworkWorker::tell_others(const std::set<std::string>& networks, const std::string& project) {
  for (const std::string& id : networks) {
    auto users = store_.endpoints_on(id);
    bool others = std::ranges::any_of(users, [&](const auto& e) { return e.project != project; });
    if (others) return announce_endpoint_change(roots_);
  }
}

std::vector<Error> NetworkWorker::remove_replicas(const std::vector<std::string>& containers,
                                                  int space) {
  std::vector<Error> errors = unpublish(containers);
  bool dies = true;  // the namespace, with its last descriptor
  if (space >= 0) attempt(errors, [&] { dies = kernel_.end_connections(space); });
  std::set<std::string> networks;
  std::string project;
  attempt(errors, [&] {
    Transaction transaction(db_);
    for (const std::string& container : containers) {
      for (const EndpointRow& e : store_.endpoints_of(container)) {
        networks.insert(e.network);
        project = e.project;
        if (!dies) attempt(errors, [&] { kernel_.detach(e.link); });
      }
      store_.remove_endpoints(container);
    }
    transaction.commit();
  });
  attempt(errors, [&] { tell_others(networks, project); });
  attempt(errors, [&] { leave_networks(networks, errors); });
  return errors;
}

}  // namespace pcompose::netns
