// Containers that live in another one's network namespace, and the supervisor's part of networks.
#include <algorithm>
#include <fcntl.h>

#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "netns/endpoint_events.h"
#include "netns/table_events.h"
#include "scheduler/network_spec.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {

Replica* Supervisor::owner_of(const std::string& mode) {
  if (mode.starts_with("service:")) {
    Replica* found = nullptr;
    for (Replica* r : replicas_of(mode.substr(8))) {
      if (found == nullptr || r->row().number < found->row().number) found = r;
    }
    return found;
  }
  if (!mode.starts_with("container:")) return nullptr;
  std::string wanted = mode.substr(10);
  for (auto& [name, r] : replicas_) {
    if (name == wanted || (wanted.size() >= 12 && r->row().id.starts_with(wanted))) return r.get();
  }
  return nullptr;
}

// A container of any project of this root.
ContainerRow Supervisor::running_container(const std::string& wanted) {
  for (const ProjectRow& project : store_.projects()) {
    for (ContainerRow& row : store_.containers(project.name)) {
      bool same = row.name == wanted || (wanted.size() >= 12 && row.id.starts_with(wanted));
      if (!same) continue;
      if (row.pid == 0 || process_start_time(row.pid) != row.pid_start)
        throw Error("container " + wanted + " does not run").hint("start it first");
      return std::move(row);
    }
  }
  throw Error("there is no container " + wanted);
}

ContainerRow Supervisor::container_of(const std::string& mode) {
  Replica* owner = owner_of(mode);
  if (owner == nullptr && mode.starts_with("container:")) return running_container(mode.substr(10));
  if (owner == nullptr) throw Error("service " + mode.substr(8) + " has no container");
  if (owner->row().pid == 0)
    throw Error("container " + owner->row().name + " does not run").hint("start it first");
  return owner->row();
}

// A container of another project.
Task<SharedNetwork> Supervisor::foreign_network(const compose::Service& service) {
  ContainerRow row = running_container(service.network_mode.substr(10));
  Fd space = open_file("/proc/" + std::to_string(row.pid) + "/ns/net", O_RDONLY);
  auto endpoints = co_await networks_.endpoints();
  std::erase_if(endpoints, [&](const auto& e) { return e.container != row.id; });
  co_return SharedNetwork{std::move(space), "", std::move(endpoints)};
}

Task<SharedNetwork> Supervisor::share_network(const compose::Service& service) {
  std::string failure;
  try {
    if (service.network_mode == "pod") {
      co_await ensure_networks(service);
      co_return co_await pod_.share();
    }
    Replica* owner = owner_of(service.network_mode);
    if (owner != nullptr) {
      co_await ensure_networks(owner->service());
      co_return co_await owner->share_network();
    }
    if (service.network_mode.starts_with("container:")) co_return co_await foreign_network(service);
    throw Error("service " + service.network_mode.substr(8) + " has no container");
  } catch (Error& e) {
    throw e.add("network_mode: " + service.network_mode).at(service.origin("network_mode"));
  }
}

// A namespace belongs to its replica and stays while anybody lives in it: who shares it does not
// notice that its owner restarts.
Task<> Supervisor::leave_network(Replica& leaving) {
  if (leaving.shares_network()) co_await leaving.release_network();
  // Only now: meanwhile another one may have come in its place.
  Replica* owner = leaving.shares_network() ? owner_of(leaving.service().network_mode) : &leaving;
  if (leaving.in_pod()) {
    co_return co_await pod_.release([this] {
      return std::ranges::any_of(replicas_, [](const auto& entry) {
        const Replica& r = *entry.second;
        return r.in_pod() && (r.is_up() || r.holds_network());
      });
    });
  }
  if (owner == nullptr || owner->is_up() || owner->is_parked()) co_return;
  for (auto& [name, r] : replicas_) {
    bool lives_there = r->shares_network() && r->holds_network();
    if (lives_there && owner_of(r->service().network_mode) == owner) co_return;
  }
  // One that shares a third one's in turn passes the question on.
  if (owner->shares_network()) co_return co_await leave_network(*owner);
  co_await owner->release_network();
}

Task<> Supervisor::create_network(const std::string& key) {
  const auto& n = model_.networks.at(key);
  ensured_networks_.insert(n.name);
  try {
    co_await networks_.ensure_network(network_spec(n, model_.name));
    co_await fix_addresses(key);
  } catch (Error& e) {
    throw e.add("network " + n.name).at(n.position);
  }
}

ImagePorts Supervisor::image_ports() {
  ImagePorts out;
  for (const auto& [name, service] : model_.services) {
    auto image = images_.find(service.image);
    if (image) out[name] = image->config.exposed_ports;
  }
  return out;
}

// What the file fixes is taken before anything dynamic could be.
Task<> Supervisor::fix_addresses(const std::string& key) {
  std::vector<netns::FixedAddress> fixed;
  const std::string& network = model_.networks.at(key).name;
  for (const auto& [name, service] : model_.services) {
    for (const auto& n : service.networks) {
      if (n.network != key) continue;
      std::string replica =
          service.container_name.empty() ? model_.name + "-" + name + "-1" : service.container_name;
      for (const std::string& address : {n.ipv4_address, n.ipv6_address}) {
        if (!address.empty()) fixed.push_back({network, model_.name, replica, address});
      }
    }
  }
  if (!fixed.empty()) co_await networks_.fix_addresses(std::move(fixed));
}

// A row may stand for a network that a crash left half made, or that went with a reboot: once in
// this process's life each network is held against the kernel. The network thread works in order,
// so who comes second finds it made.
Task<> Supervisor::ensure_networks(const compose::Service& service) {
  for (const auto& n : service.networks) {
    auto found = model_.networks.find(n.network);
    bool dropped = found == model_.networks.end();
    // A container of an earlier file keeps what the file does not have any more.
    std::string name = model_.network_name(n.network);
    if (!ensured_networks_.insert(name).second) continue;
    if (!dropped && !found->second.external) {
      co_await create_network(n.network);
      continue;
    }
    try {
      co_await networks_.use_network(name);
      if (!dropped) co_await fix_addresses(n.network);
    } catch (Error& e) {
      throw e.at(dropped ? n.position : found->second.position);
    }
  }
}

// One that has just ended may still be on its networks; so may one whose supervisor was killed
// then.
Task<> Supervisor::leave_behind_the_ended() {
  std::vector<std::string> names;
  for (const auto& [name, r] : replicas_) names.push_back(name);
  for (const std::string& name : names) {
    auto found = replicas_.find(name);
    if (found == replicas_.end() || found->second->is_up()) continue;
    co_await found->second->until_left();
    found = replicas_.find(name);  // one of `run --rm` goes at its end
    if (found != replicas_.end() && !found->second->is_up() && !found->second->is_parked())
      co_await leave_network(*found->second);
  }
}

// Those of one plan go together: who comes first takes along what the others ask for meanwhile.
Task<> Supervisor::remove_network(const std::string& name) {
  ensured_networks_.erase(name);
  leaving_networks_.push_back(name);
  co_await asio::post(context_.executor, asio::use_awaitable);  // the others have their turn to ask
  auto turn = co_await network_removal_.enter();
  if (!leaving_networks_.empty()) {
    co_await leave_behind_the_ended();
    for (auto& [failed, error] : co_await networks_.release_networks(
             std::exchange(leaving_networks_, {}), context_.project))
      unremoved_networks_.insert_or_assign(failed, std::move(error));
  }
  auto failed = unremoved_networks_.extract(name);
  if (!failed.empty()) throw std::move(failed.mapped());
}

Task<> Supervisor::change_network(const std::string& verb, const json::object& request) {
  Busy busy(*this);
  auto text = [&](const char* key) { return std::string(request.at(key).as_string()); };
  auto list = [&](const char* key) {
    return json::value_to<std::vector<std::string>>(request.at(key));
  };
  auto found = replicas_.find(text("container"));
  if (found == replicas_.end()) throw Error("no container " + text("container"));
  if (verb == "disconnect") co_return co_await found->second->disconnect(text("network"));
  netns::Attachment attachment;
  attachment.network = text("network");
  attachment.names = list("aliases");
  attachment.address = text("address");
  attachment.address6 = text("address6");
  attachment.link_locals = list("link_locals");
  attachment.gw_priority = request.at("gw_priority").to_number<int>();
  co_await found->second->connect(std::move(attachment));
}

// Other projects' containers come and go on networks that ours are on, too.
Task<> Supervisor::watch_endpoints() {
  Fd watch = netns::watch_endpoints(context_.roots);
  for (;;) {
    co_await wait_readable(watch.get());
    netns::drain_endpoint_events(watch.get());
    context_.names_changed();
  }
}

// Who reloads the host's firewall flushes our table with it.
Task<> Supervisor::watch_tables() {
  Fd watch;
  try {
    watch = co_await networks_.watch_tables();
  } catch (const Error& e) {
    // Then the next `up` puts it back.
    spdlog::warn("flushes of the nftables table will not be noticed: {}", e.what());
    co_return;
  }
  for (;;) {
    co_await wait_readable(watch.get());
    auto events = netns::drain_table_events(watch.get(), context_.roots.tag);
    if (!events.ours_went && !events.others_changed) continue;
    // Our own last `down` looks the same; then there is nothing to put back.
    try {
      if (co_await networks_.repair())
        spdlog::warn("somebody flushed our nftables table: put back");
    } catch (const Error& e) {
      spdlog::warn("after a change of the host's firewall: {}", e.what());
    }
  }
}

}  // namespace pcompose::scheduler
