#include "netns/network_worker.h"

#include <algorithm>

#include "base/sha256.h"
#include "netns/forwarding.h"
#include "netns/run_lock.h"

namespace pcompose::netns {
namespace {

constexpr int kShortestSubnet = 8;
constexpr int kLongestSubnet = 30;  // a gateway and one container

std::optional<Prefix> subnet_of(const NetworkSpec& spec) {
  if (spec.subnet.empty()) return {};
  auto subnet = Prefix::parse(spec.subnet);
  if (!subnet && spec.subnet.find(':') != std::string::npos) {
    throw Error("IPv6 subnets (" + spec.subnet + ") are not supported yet");
  }
  if (!subnet) throw Error("\"" + spec.subnet + "\" is not a subnet").hint("write 10.5.0.0/16");
  if (subnet->length < kShortestSubnet || subnet->length > kLongestSubnet) {
    throw Error("the subnet " + subnet->str() + " must have between 8 and 30 bits");
  }
  return subnet;
}

Ipv4 gateway_of(const NetworkSpec& spec, const Prefix& subnet) {
  if (spec.gateway.empty()) return subnet.first();
  auto gateway = Ipv4::parse(spec.gateway);
  if (!gateway || !subnet.contains(*gateway) || *gateway == subnet.base ||
      *gateway == subnet.last()) {
    throw Error("the gateway \"" + spec.gateway + "\" is not an address of " + subnet.str());
  }
  return *gateway;
}

void check_same(const NetworkRow& row, const NetworkSpec& spec) {
  auto subnet = subnet_of(spec);
  if (subnet && *subnet != row.subnet) {
    throw Error("the network " + row.name + " exists with the subnet " + row.subnet.str() +
                ", not " + subnet->str())
        .hint("remove it first");
  }
  if (spec.reach != row.reach) {
    throw Error("the network " + row.name + " exists and is " +
                (row.reach == Reach::internal ? "internal" : "not internal"))
        .hint("remove it first");
  }
}

// Runs one step of a teardown, which goes on whatever happens.
template <class Step>
void attempt(std::vector<Error>& errors, const Step& step) {
  try {
    step();
  } catch (const Error& e) {
    errors.push_back(e);
  } catch (const std::exception& e) {
    errors.emplace_back(e.what());
  }
}

std::string joined_replicas(const std::vector<EndpointRow>& endpoints) {
  std::string out;
  for (const EndpointRow& e : endpoints) out += (out.empty() ? "" : ", ") + e.replica;
  return out;
}

}  // namespace

NetworkWorker::NetworkWorker(const Roots& roots)
    : roots_(roots), db_(roots.database()), store_(db_, boot_id()), firewall_(roots.tag) {}

void NetworkWorker::check_overlap(const Prefix& subnet) {
  for (const NetworkRow& other : store_.networks()) {
    if (!other.subnet.overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps " + other.subnet.str() +
                " of the network " + other.name);
  }
  for (const Prefix& route : kernel_.routes()) {
    if (!route.overlaps(subnet)) continue;
    throw Error("the subnet " + subnet.str() + " overlaps the host's route to " + route.str());
  }
}

NetworkRow NetworkWorker::make_row(const NetworkSpec& spec) {
  NetworkRow row;
  row.id = random_hex(6);
  row.name = spec.name;
  row.project = spec.project;
  row.key = spec.key;
  row.bridge = "pc-" + row.id.substr(0, 8);
  row.reach = spec.reach;
  row.labels = spec.labels;
  if (auto wanted = subnet_of(spec)) {
    check_overlap(*wanted);
    row.subnet = *wanted;
  } else {
    std::vector<Prefix> taken = kernel_.routes();
    for (const NetworkRow& other : store_.networks()) taken.push_back(other.subnet);
    row.subnet = pick_subnet(default_pools(), taken);
  }
  row.gateway = gateway_of(spec, row.subnet);
  return row;
}

NetworkRow NetworkWorker::ensure(const NetworkSpec& spec) {
  if (spec.name.empty()) throw Error("a network needs a name");
  Fd lock = lock_networks(roots_, Hold::exclusive);
  auto row = store_.network(spec.name);
  if (row) {
    check_same(*row, spec);
  } else {
    row = make_row(spec);
    // The row first: a crash after it leaves a name that the next run completes or removes.
    if (!store_.insert(*row)) throw Error("the network " + spec.name + " was made meanwhile");
  }
  install(*row);
  return *row;
}

NetworkRow NetworkWorker::use(const std::string& name) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  NetworkRow row = require_network(name);
  install(row);
  return row;
}

NetworkRow NetworkWorker::require_network(const std::string& name) {
  auto row = store_.network(name);
  if (row) return *row;
  throw Error("the network " + name + " does not exist")
      .hint("another project's file has to make it, or leave `external` out");
}

// The rules before the bridge: at no time is there a bridge that they do not guard.
void NetworkWorker::install(const NetworkRow& row) {
  ensure_table();
  firewall_.add_network(row);
  kernel_.ensure_bridge({row.bridge, row.subnet, row.gateway});
}

void NetworkWorker::ensure_table() {
  auto foreign = foreign_links(roots_, kernel_);
  if (firewall_.ensure_table(foreign)) {
    // New, or flushed by somebody while we ran: everything that lives goes back in.
    for (const NetworkRow& row : store_.networks()) {
      if (kernel_.link_exists(row.bridge)) firewall_.add_network(row);
    }
    firewall_.publish(store_.ports());
  }
  enable_forwarding();  // after the table, which refuses what is not ours
}

void NetworkWorker::remove_from_kernel(const NetworkRow& row, std::vector<Error>& errors) {
  // The bridge before its rules: see install().
  attempt(errors, [&] { kernel_.delete_bridge(row.bridge); });
  attempt(errors, [&] {
    if (firewall_.table_exists()) firewall_.remove_network(row);
  });
}

std::vector<Error> NetworkWorker::remove(const std::string& name) {
  Fd lock = lock_networks(roots_, Hold::exclusive);
  auto row = store_.network(name);
  if (!row) return {};
  auto users = store_.endpoints_on(row->id);
  if (!users.empty()) {
    throw Error("the network " + name + " is in use by " + joined_replicas(users));
  }
  std::vector<Error> errors;
  remove_from_kernel(*row, errors);
  // What is still there keeps its row, so that the next run finds it.
  if (errors.empty()) attempt(errors, [&] { store_.remove_network(row->id); });
  attempt(errors, [&] { forget_table(); });
  return errors;
}

void NetworkWorker::forget_table() {
  // Rows without a bridge are networks that nobody has used since the boot.
  for (const NetworkRow& row : store_.networks()) {
    if (kernel_.link_exists(row.bridge)) return;
  }
  firewall_.remove_table();
  release_forwarding(roots_, kernel_);
}

std::vector<Error> NetworkWorker::remove_replicas(const std::vector<std::string>& containers) {
  std::vector<Error> errors = unpublish(containers);
  attempt(errors, [&] {
    Transaction transaction(db_);
    for (const std::string& container : containers) store_.remove_endpoints(container);
    transaction.commit();
  });
  return errors;
}

}  // namespace pcompose::netns
