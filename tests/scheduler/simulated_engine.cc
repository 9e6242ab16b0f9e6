#include "tests/scheduler/simulated_engine.h"

#include <algorithm>
#include <stdexcept>

namespace pcompose::scheduler {
namespace {

void need(bool holds, const std::string& what) {
  if (!holds) throw std::runtime_error(what);
}

}  // namespace

bool is_up(const ObservedContainer& c) {
  return c.status == Status::running || c.status == Status::restarting ||
         c.status == Status::paused;
}

void SimulatedEngine::plan_networks(const Plan& plan) {
  planned_.clear();
  for (const Node& node : plan.nodes) {
    if (const auto* o = std::get_if<CreateNetwork>(&node.operation)) planned_.insert(o->name);
  }
}

void SimulatedEngine::begin(const Plan& plan) {
  plan_networks(plan);
  held_.clear();
  for (auto& [name, c] : containers_) c.prepared = false;
  std::set<std::string> concerned;
  for (const Node& node : plan.nodes) {
    if (const auto* o = std::get_if<StartContainer>(&node.operation))
      concerned.insert(o->replica.service);
    if (const auto* o = std::get_if<AwaitCondition>(&node.operation)) concerned.insert(o->service);
  }
  for (const auto& [name, service] : project_.services) {
    for (const auto& d : service.depends_on) {
      if (!concerned.contains(d.service) || holds(d)) held_.emplace(d.service, d.condition);
    }
  }
}

std::vector<std::string> SimulatedEngine::containers_of(const std::string& service) const {
  std::vector<std::string> out;
  for (const auto& [name, c] : containers_) {
    if (c.row.service == service) out.push_back(name);
  }
  return out;
}

void SimulatedEngine::hold(const std::string& service, compose::Condition condition) {
  held_.emplace(service, condition);
}

void SimulatedEngine::forget(const std::string& service) {
  std::erase_if(held_, [&](const auto& held) { return held.first == service; });
}

ObservedContainer& SimulatedEngine::row(const std::string& name) { return find({"", 1, name}).row; }

void SimulatedEngine::run(const Plan& plan, std::mt19937& random) {
  plan_networks(plan);
  held_.clear();
  std::vector<bool> done(plan.nodes.size());
  for (size_t count = 0; count < plan.nodes.size(); ++count) {
    std::vector<NodeId> ready;
    for (NodeId id = 0; id < plan.nodes.size(); ++id) {
      bool may = !done[id] && std::ranges::all_of(plan.nodes[id].after,
                                                  [&](NodeId before) { return done.at(before); });
      if (may) ready.push_back(id);
    }
    need(!ready.empty(), "nodes wait for each other");
    NodeId next = ready[random() % ready.size()];
    try {
      perform(plan.nodes[next].operation);
    } catch (const std::runtime_error& e) {
      throw std::runtime_error(std::to_string(next) + ": " + e.what());
    }
    done[next] = true;
  }
}

void SimulatedEngine::perform(const Operation& operation) {
  if (auto* o = std::get_if<CreateNetwork>(&operation)) {
    bool changed = changed_networks_.erase(o->name) > 0;
    need(!changed || !used(o->name), "network in use: " + o->name);
    need(networks_.insert(o->name).second || changed, "network exists: " + o->name);
    planned_.erase(o->name);
  }
  if (auto* o = std::get_if<CreateVolume>(&operation))
    need(volumes_.insert(o->name).second != o->exists, "volume exists or not: " + o->name);
  if (auto* o = std::get_if<CreateContainer>(&operation)) create(o->replica);
  if (auto* o = std::get_if<PrepareContainer>(&operation)) {
    Container& c = find(o->replica);
    need(!is_up(c.row) && !c.prepared, "prepared twice: " + c.row.name);
    need_resources(project_.services.at(c.row.service));
    c.prepared = true;
  }
  if (auto* o = std::get_if<StartContainer>(&operation)) start(o->replica);
  if (auto* o = std::get_if<AwaitCondition>(&operation)) await(*o);
  if (auto* o = std::get_if<StopContainer>(&operation)) {
    Container& c = find(o->replica);
    need(is_up(c.row), "stopped while down: " + c.row.name);
    c.row.status = Status::exited;
    c.row.exit_code = 143;
  }
  if (auto* o = std::get_if<UnpauseContainer>(&operation)) {
    Container& c = find(o->replica);
    need(c.row.status == Status::paused, "not paused: " + c.row.name);
    c.row.status = Status::running;
  }
  if (auto* o = std::get_if<RemoveContainer>(&operation)) remove(o->replica);
  if (auto* o = std::get_if<RemoveNetwork>(&operation)) {
    need(!used(o->name), "network in use: " + o->name);
    need(networks_.erase(o->name) == 1, "no network " + o->name);
  }
  if (auto* o = std::get_if<RemoveVolume>(&operation))
    need(containers_.empty() && volumes_.erase(o->name) == 1, "volume in use: " + o->name);
}

void SimulatedEngine::create(const ReplicaRef& replica) {
  const auto& service = project_.services.at(replica.service);
  need_resources(service);
  Container c;
  c.row.service = replica.service;
  c.row.number = replica.number;
  c.row.name = replica.name;
  c.row.config_hash = desired_.config_hash.at(replica.service);
  c.row.image_id = desired_.image_id.at(replica.service);
  need(containers_.emplace(replica.name, c).second, "container exists: " + replica.name);
}

void SimulatedEngine::start(const ReplicaRef& replica) {
  Container& c = find(replica);
  need(c.prepared, "not prepared: " + replica.name);
  for (const auto& d : project_.services.at(replica.service).depends_on) {
    if (d.required) need(met(d), replica.name + " starts before " + d.service + " is ready");
  }
  c.prepared = false;
  c.row.status = Status::running;
}

void SimulatedEngine::remove(const ReplicaRef& replica) {
  Container& c = find(replica);
  need(!is_up(c.row), "removed while up: " + replica.name);
  containers_.erase(replica.name);
}

// What is waited for comes to hold.
void SimulatedEngine::await(const AwaitCondition& operation) {
  for (auto& [name, c] : containers_) {
    if (c.row.service != operation.service) continue;
    if (operation.condition == compose::Condition::service_completed_successfully) {
      if (!is_up(c.row)) continue;
      c.row.status = Status::exited;
      c.row.exit_code = 0;
    } else if (operation.condition == compose::Condition::service_healthy) {
      need(is_up(c.row) || !operation.required, name + " is awaited and down");
      c.row.health = Health::healthy;
    }
  }
}

// As many replicas as there are to be; what is scaled down need not be gone yet.
bool SimulatedEngine::met(const compose::Dependency& d) const {
  return held_.contains({d.service, d.condition}) || holds(d);
}

bool SimulatedEngine::holds(const compose::Dependency& d) const {
  auto ready = [&](const auto& entry) {
    const ObservedContainer& c = entry.second.row;
    if (c.service != d.service) return false;
    bool completed = c.status == Status::exited && c.exit_code == 0;
    if (d.condition == compose::Condition::service_completed_successfully) return completed;
    if (d.condition == compose::Condition::service_healthy)
      return is_up(c) && c.health == Health::healthy;
    return is_up(c) || completed;
  };
  return std::ranges::count_if(containers_, ready) >= project_.services.at(d.service).scale;
}

void SimulatedEngine::need_resources(const compose::Service& service) const {
  for (const auto& n : service.networks) {
    const auto& network = project_.networks.at(n.network);
    // One that was lost is put back without a word (Supervisor::ensure_networks()).
    need(!planned_.contains(network.name), "no network " + network.name);
  }
  for (const auto& m : service.volumes) {
    auto volume = project_.volumes.find(m.source);
    need(volume == project_.volumes.end() || volumes_.contains(volume->second.name),
         "no volume " + m.source);
  }
}

bool SimulatedEngine::used(const std::string& network) const {
  return std::ranges::any_of(containers_, [&](const auto& entry) {
    auto service = project_.services.find(entry.second.row.service);
    if (service == project_.services.end() || !is_up(entry.second.row)) return false;
    return std::ranges::any_of(service->second.networks, [&](const auto& n) {
      return project_.networks.at(n.network).name == network;
    });
  });
}

SimulatedEngine::Container& SimulatedEngine::find(const ReplicaRef& replica) {
  auto it = containers_.find(replica.name);
  need(it != containers_.end(), "no container " + replica.name);
  return it->second;
}

Observed SimulatedEngine::observed() const {
  Observed out;
  for (const auto& [name, c] : containers_) out.containers.push_back(c.row);
  std::ranges::sort(out.containers, {},
                    [](const auto& c) { return std::make_pair(c.service, c.number); });
  out.networks = networks_;
  out.changed_networks = changed_networks_;
  out.volumes = volumes_;
  return out;
}

}  // namespace pcompose::scheduler
