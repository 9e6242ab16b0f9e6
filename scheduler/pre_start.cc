#include "scheduler/pre_start.h"

#include <algorithm>

#include <fmt/format.h>

namespace pcompose::scheduler {
namespace {

using compose::Service;

// What belongs to the service's own containers.
void drop_own(Service& s) {
  s.scale = 1;
  s.depends_on.clear();
  s.ports.clear();
  s.expose.clear();
  s.restart = {};
  if (s.deploy) s.deploy->restart_policy.reset();
  s.healthcheck.reset();
  s.pre_start.clear();
  s.post_start.clear();
  s.pre_stop.clear();
  s.hostname.clear();
  s.mac_address.clear();
  s.tty = s.stdin_open = false;
  for (auto& network : s.networks) {
    network.aliases.clear();
    network.ipv4_address.clear();
    network.ipv6_address.clear();
    network.mac_address.clear();
  }
}

Service service_of(const Service& service, const compose::Hook& hook, std::string name) {
  Service out = service;
  drop_own(out);
  out.container_name = std::move(name);
  out.entrypoint.reset();
  out.command.reset();
  if (!hook.command.empty()) out.command = hook.command;
  if (!hook.image.empty()) out.image = hook.image;
  out.user = hook.user;
  out.working_dir = hook.working_dir;
  out.privileged = hook.privileged;
  for (const auto& [variable, value] : hook.environment) out.environment[variable] = value;
  out.volumes.clear();
  out.volumes_from = {service.name};
  out.position = hook.position;
  return out;
}

}  // namespace

std::vector<Service> pre_start_of(const compose::Project& project, const Service& service) {
  std::vector<Service> out;
  for (const compose::Hook& hook : service.pre_start) {
    std::string name =
        fmt::format("{}-{}-pre_start-{}", project.name, service.name, out.size() + 1);
    out.push_back(service_of(service, hook, std::move(name)));
  }
  return out;
}

std::set<std::string> pre_start_names(const compose::Project& project) {
  std::set<std::string> names;
  for (const auto& [name, service] : project.services) {
    for (const Service& hook : pre_start_of(project, service)) names.insert(hook.container_name);
  }
  return names;
}

std::vector<NodeId> add_pre_start(Plan& plan, const compose::Project& project,
                                  const Service& service, const Observed& observed,
                                  const BeforeHooks& before) {
  auto add = [&](Operation operation, std::vector<NodeId> after) {
    std::ranges::sort(after);
    auto twice = std::ranges::unique(after);
    after.erase(twice.begin(), twice.end());
    plan.nodes.push_back({std::move(operation), before.cause, std::move(after)});
    return plan.nodes.size() - 1;
  };
  std::vector<NodeId> over;
  int number = 0;
  for (const Service& hook : pre_start_of(project, service)) {
    ReplicaRef ref{service.name, ++number, hook.container_name};
    std::vector<NodeId> after = before.containers;
    // Of an attempt that failed, or was cut off.
    auto left = std::ranges::find(observed.containers, ref.name, &ObservedContainer::name);
    if (left != observed.containers.end()) {
      std::vector<NodeId> stopped;
      if (left->is_up()) stopped.push_back(add(StopContainer{ref}, {}));
      after.push_back(add(RemoveContainer{ref}, stopped));
    }
    NodeId created = add(CreateContainer{ref}, after);
    NodeId prepared = add(PrepareContainer{ref}, {created});
    std::vector<NodeId> ready = over.empty() ? before.conditions : over;
    ready.push_back(prepared);
    NodeId started = add(StartContainer{ref}, ready);
    NodeId ended = add(AwaitEnd{ref}, {started});
    over = {add(RemoveContainer{ref}, {ended})};
  }
  return over;
}

}  // namespace pcompose::scheduler
