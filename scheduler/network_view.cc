#include "scheduler/network_view.h"

#include <algorithm>
#include <exception>
#include <set>
#include <unistd.h>

#include "base/error.h"
#include "engine/rootless/shared_namespaces.h"
#include "netns/networks.h"
#include "scheduler/network_spec.h"
#include "scheduler/state_store.h"

namespace pcompose::scheduler {
namespace {

// Runs one coroutine to its end, on a loop of its own.
template <class T>
T wait(Task<T> task) {
  asio::io_context context(1);
  std::exception_ptr failure;
  std::optional<T> result;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr e, T value) {
    failure = e;
    result = std::move(value);
  });
  context.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

// Where the bridges are: an ordinary user's are in a namespace of their own.
Fd home_of(const Roots& roots) {
  return roots.rootless ? engine::SharedNamespaces::join(roots).network().duplicate() : Fd();
}

bool has_database(const Roots& roots) { return ::access(roots.database().c_str(), F_OK) == 0; }

NetworkView view_of(const netns::NetworkRow& row) {
  NetworkView out;
  out.id = row.id;
  out.name = row.name;
  out.project = row.project;
  out.driver = netns::driver_name(row.options.driver);
  out.bridge = row.bridge;
  out.created_ns = row.options.created_ns;
  out.ipv4 = row.ipv4;
  out.ipv6 = row.subnet6.has_value();
  out.internal = row.reach == netns::Reach::internal;
  out.attachable = row.options.attachable;
  out.labels = row.labels;
  out.options = row.options.written;
  if (row.ipv4) {
    out.pools.push_back({row.subnet.str(), row.gateway.str(),
                         row.options.range ? row.options.range->str() : "", row.options.aux});
  }
  if (row.subnet6) {
    out.pools.push_back({row.subnet6->str(),
                         row.gateway6.str(),
                         row.options.range6 ? row.options.range6->str() : "",
                         {}});
  }
  return out;
}

NetworkMember member_of(const netns::NetworkRow& network, const netns::EndpointRow& e) {
  NetworkMember out{e.container, e.replica, e.project, e.mac.str(), "", ""};
  if (e.address) out.address = e.address->str() + "/" + std::to_string(network.subnet.length);
  if (e.address6) out.address6 = e.address6->str() + "/" + std::to_string(network.subnet6->length);
  return out;
}

}  // namespace

std::vector<NetworkView> view_networks(const Roots& roots) {
  std::vector<NetworkView> out;
  if (!has_database(roots)) return out;
  Database db(roots.database());
  netns::NetworkStore store(db, boot_id());
  for (const auto& row : store.networks()) {
    NetworkView view = view_of(row);
    for (const auto& e : store.endpoints_on(row.id)) view.members.push_back(member_of(row, e));
    out.push_back(std::move(view));
  }
  return out;
}

NetworkView find_network(const Roots& roots, const std::string& wanted) {
  auto all = view_networks(roots);
  auto found = std::ranges::find(all, wanted, &NetworkView::name);
  if (found == all.end() && wanted.size() >= 3) {
    found = std::ranges::find_if(all, [&](const auto& n) { return n.id.starts_with(wanted); });
  }
  if (found == all.end()) throw Error("network " + wanted + " not found");
  return *found;
}

std::string make_network(const Roots& roots, const compose::Network& network) {
  make_directories(roots.state);
  make_directories(roots.run);
  if (has_database(roots)) {
    for (const auto& other : view_networks(roots)) {
      if (other.name == network.name)
        throw Error("a network called " + network.name + " exists already");
    }
  }
  netns::Networks networks(roots, home_of(roots));
  return wait(networks.ensure_network(network_spec(network, ""))).id;
}

void remove_network(const Roots& roots, const std::string& wanted) {
  NetworkView view = find_network(roots, wanted);
  netns::Networks networks(roots, home_of(roots));
  auto errors = wait(networks.remove_network(view.name));
  if (!errors.empty()) throw errors.front();
}

std::vector<std::string> prune_networks(const Roots& roots) {
  std::vector<std::string> out;
  if (!has_database(roots)) return out;
  std::set<std::string> projects;
  {
    Database db(roots.database());
    StateStore store(db, boot_id());
    for (const auto& p : store.projects()) projects.insert(p.name);
  }
  netns::Networks networks(roots, home_of(roots));
  for (const auto& view : view_networks(roots)) {
    if (!view.members.empty() || projects.contains(view.project)) continue;
    auto errors = wait(networks.remove_network(view.name));
    if (!errors.empty()) throw errors.front();
    out.push_back(view.name);
  }
  return out;
}

std::vector<std::string> stray_networks(const Roots& roots) {
  if (roots.rootless || !has_database(roots)) return {};
  make_directories(roots.run);
  netns::Networks networks(roots, home_of(roots));
  return wait(networks.strays());
}

std::vector<std::string> remove_stray_networks(const Roots& roots) {
  std::vector<std::string> out = stray_networks(roots);
  if (out.empty()) return out;
  netns::Networks networks(roots, home_of(roots));
  auto errors = wait(networks.remove_strays());
  if (!errors.empty()) throw errors.front();
  return out;
}

ContainerPlace find_container(const Roots& roots, const std::string& wanted) {
  if (has_database(roots)) {
    Database db(roots.database());
    StateStore store(db, boot_id());
    for (const auto& project : store.projects()) {
      for (const auto& row : store.containers(project.name)) {
        bool by_id = wanted.size() >= 3 && row.id.starts_with(wanted);
        if (row.name == wanted || by_id) return {project.name, row.name};
      }
    }
  }
  throw Error("there is no container " + wanted);
}

}  // namespace pcompose::scheduler
