// start, restart, kill, rm, pause, unpause: plans over containers that exist.
#include <algorithm>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "compose/graph.h"
#include "scheduler/planner.h"
#include "scheduler/pre_start.h"
#include "scheduler/sharing.h"

namespace pcompose::scheduler {
namespace {

using compose::Project;

ReplicaRef ref(const ObservedContainer& c) { return {c.service, c.number, c.name}; }

class LifePlanner {
 public:
  LifePlanner(const Project& project, const Observed& observed)
      : project_(project), observed_(observed), graph_(project) {}

  // Prepares and starts what is down, dependencies first and by their conditions. `after` holds
  // what each container has to wait for besides, by name.
  void start(const std::set<std::string>& services, const std::string& cause,
             const std::map<std::string, NodeId>& after) {
    for (const std::string& name : in_order(services)) {
      for (const auto& c : observed_.containers) {
        bool stopped = after.contains(c.name);
        if (c.service != name || c.one_off || (c.is_up() && !stopped)) continue;
        std::vector<NodeId> before;
        if (stopped) before.push_back(after.at(c.name));
        add_owners(name, before);
        NodeId prepared = add(PrepareContainer{ref(c)}, cause, before);
        before = conditions(name);
        for (NodeId id : pre_start(name, cause, after, before)) before.push_back(id);
        before.push_back(prepared);
        started_[name].push_back(add(StartContainer{ref(c)}, cause, std::move(before)));
      }
    }
  }

  NodeId add(Operation operation, std::string cause, std::vector<NodeId> after) {
    plan.nodes.push_back({std::move(operation), std::move(cause), std::move(after)});
    return plan.nodes.size() - 1;
  }

  Plan plan;

 private:
  // Of services that the project no longer has, last and by name.
  [[nodiscard]] std::vector<std::string> in_order(std::set<std::string> services) const {
    std::vector<std::string> out;
    for (const std::string& name : graph_.order()) {
      if (services.erase(name) > 0) out.push_back(name);
    }
    out.insert(out.end(), services.begin(), services.end());
    return out;
  }

  void add_owners(const std::string& name, std::vector<NodeId>& before) {
    auto service = project_.services.find(name);
    if (service == project_.services.end()) return;
    for (const std::string& owner : needs_process_of(service->second))
      before.insert(before.end(), started_[owner].begin(), started_[owner].end());
  }

  std::vector<NodeId> conditions(const std::string& name) {
    std::vector<NodeId> after;
    auto service = project_.services.find(name);
    if (service == project_.services.end()) return after;
    for (const auto& d : service->second.depends_on) {
      const auto& started = started_[d.service];
      if (d.condition == compose::Condition::service_started || started.empty()) {
        after.insert(after.end(), started.begin(), started.end());
      } else {
        after.push_back(add(AwaitCondition{d.service, d.condition}, "needed by " + name, started));
      }
    }
    return after;
  }

  // Once a service, where none of its containers goes on running.
  std::vector<NodeId> pre_start(const std::string& name, const std::string& cause,
                                const std::map<std::string, NodeId>& stopped,
                                const std::vector<NodeId>& conditions) {
    auto service = project_.services.find(name);
    bool goes_on = std::ranges::any_of(observed_.containers, [&](const ObservedContainer& c) {
      return c.service == name && !c.one_off && c.is_up() && !stopped.contains(c.name);
    });
    if (service == project_.services.end() || goes_on) return {};
    auto [hooks, fresh] = hooks_.try_emplace(name);
    if (!fresh) return hooks->second;
    BeforeHooks before{cause, {}, conditions};
    for (const auto& [container, id] : stopped) before.conditions.push_back(id);
    return hooks->second = add_pre_start(plan, project_, service->second, observed_, before);
  }

  const Project& project_;
  const Observed& observed_;
  compose::ServiceGraph graph_;
  std::map<std::string, std::vector<NodeId>> started_;
  std::map<std::string, std::vector<NodeId>> hooks_;  // pre_start, by service
};

std::set<std::string> chosen(const Observed& observed, const std::vector<std::string>& services) {
  std::set<std::string> out(services.begin(), services.end());
  if (!out.empty()) return out;
  for (const auto& c : observed.containers) out.insert(c.service);
  return out;
}

template <class Wanted, class Make>
Plan each(const Observed& observed, const std::vector<std::string>& services, const char* cause,
          Wanted wanted, Make make) {
  Plan plan;
  auto names = chosen(observed, services);
  for (const auto& c : observed.containers) {
    if (names.contains(c.service) && wanted(c)) plan.nodes.push_back({make(ref(c)), cause, {}});
  }
  return plan;
}

}  // namespace

namespace {

// And what they depend on, as far as it exists: a service comes back with what it needs.
std::set<std::string> with_dependencies(const Project& project, const Observed& observed,
                                        const std::vector<std::string>& services) {
  std::set<std::string> out = chosen(observed, services);
  compose::ServiceGraph graph(project);
  for (const std::string& name : std::set(out)) {
    if (!project.services.contains(name)) continue;
    auto needed = graph.selection({name}, compose::Dependencies::with);
    out.insert(needed.begin(), needed.end());
  }
  return out;
}

}  // namespace

Plan plan_start(const Project& project, const Observed& observed,
                const std::vector<std::string>& services) {
  for (const std::string& name : services) {
    bool exists = std::ranges::any_of(
        observed.containers, [&](const auto& c) { return c.service == name && !c.one_off; });
    if (!exists) {
      throw Error(fmt::format("service \"{}\" has no container to start", name))
          .hint("create it with up or create");
    }
  }
  LifePlanner planner(project, observed);
  planner.start(with_dependencies(project, observed, services), "start", {});
  return std::move(planner.plan);
}

Plan plan_restart(const Project& project, const Observed& observed,
                  const std::vector<std::string>& services, bool with_dependents) {
  std::set<std::string> names = chosen(observed, services);
  // Dependents that ask for it follow, and theirs.
  for (bool grown = with_dependents; grown;) {
    grown = false;
    for (const auto& [name, service] : project.services) {
      bool follows = std::ranges::any_of(service.depends_on, [&](const auto& d) {
        return d.restart && names.contains(d.service);
      });
      if (follows && names.insert(name).second) grown = true;
    }
  }
  LifePlanner planner(project, observed);
  planner.plan = plan_stop(project, observed, {names.begin(), names.end()});
  std::map<std::string, NodeId> stops;
  for (NodeId id = 0; id < planner.plan.nodes.size(); ++id) {
    planner.plan.nodes[id].cause = "restart";
    stops[std::get<StopContainer>(planner.plan.nodes[id].operation).replica.name] = id;
  }
  planner.start(names, "restart", stops);
  return std::move(planner.plan);
}

Plan plan_kill(const Observed& observed, const std::vector<std::string>& services, int signal) {
  // The signal reaches one-off containers, too, as docker compose sends it.
  return each(observed, services, "kill", std::mem_fn(&ObservedContainer::is_up),
              [&](const ReplicaRef& r) { return KillContainer{r, signal}; });
}

namespace {

// What has that state already is passed over, unless there is nothing else.
void refuse_nothing(const Plan& plan, const Observed& observed,
                    const std::vector<std::string>& services, const char* reason, auto is) {
  auto names = chosen(observed, services);
  for (const auto& c : observed.containers) {
    if (plan.empty() && names.contains(c.service) && !c.one_off && is(c))
      throw Error("container " + c.name + " is " + reason);
  }
}

}  // namespace

Plan plan_pause(const Observed& observed, const std::vector<std::string>& services) {
  auto running = [](const auto& c) { return c.status == Status::running && !c.one_off; };
  Plan plan = each(observed, services, "pause", running,
                   [](const ReplicaRef& r) { return PauseContainer{r}; });
  refuse_nothing(plan, observed, services, "already paused",
                 [](const auto& c) { return c.status == Status::paused; });
  return plan;
}

Plan plan_unpause(const Observed& observed, const std::vector<std::string>& services) {
  auto paused = [](const auto& c) { return c.status == Status::paused && !c.one_off; };
  Plan plan = each(observed, services, "unpause", paused,
                   [](const ReplicaRef& r) { return UnpauseContainer{r}; });
  refuse_nothing(plan, observed, services, "not paused",
                 [](const auto& c) { return c.status == Status::running; });
  return plan;
}

Plan plan_remove(const Project& project, const Observed& observed,
                 const std::vector<std::string>& services, bool stop) {
  Plan plan = stop ? plan_stop(project, observed, services) : Plan{};
  std::map<std::string, NodeId> stops;
  for (NodeId id = 0; id < plan.nodes.size(); ++id)
    stops[std::get<StopContainer>(plan.nodes[id].operation).replica.name] = id;
  auto names = chosen(observed, services);
  for (const auto& c : observed.containers) {
    if (!names.contains(c.service) || c.one_off || (c.is_up() && !stop)) continue;
    std::vector<NodeId> after;
    if (stops.contains(c.name)) after.push_back(stops.at(c.name));
    plan.nodes.push_back({RemoveContainer{ref(c)}, "rm", std::move(after)});
  }
  return plan;
}

}  // namespace pcompose::scheduler
