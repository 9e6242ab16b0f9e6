#include <algorithm>
#include <set>

#include "compose/graph.h"
#include "scheduler/planner.h"
#include "scheduler/pre_start.h"

namespace pcompose::scheduler {
namespace {

using compose::Project;

// Stops containers so that nobody outlives what it depends on. Returns the stop node of each
// container's name.
std::map<std::string, NodeId> stop_in_order(const Project& project,
                                            const std::vector<ObservedContainer>& containers,
                                            const std::string& cause, Plan& plan) {
  compose::ServiceGraph graph(project);
  std::map<std::string, std::vector<NodeId>> stops;  // by service
  std::map<std::string, NodeId> by_name;
  auto add = [&](const ObservedContainer& c, std::vector<NodeId> after) {
    plan.nodes.push_back(
        {StopContainer{{c.service, c.number, c.name}}, cause, std::move(after), true});
    stops[c.service].push_back(plan.nodes.size() - 1);
    by_name[c.name] = plan.nodes.size() - 1;
  };
  for (const auto& c : containers) {
    if (!project.services.contains(c.service) && c.is_up()) add(c, {});
  }
  const auto& order = graph.order();
  for (auto service = order.rbegin(); service != order.rend(); ++service) {
    std::vector<NodeId> after;
    for (const std::string& dependent : graph.dependents_of(*service)) {
      after.insert(after.end(), stops[dependent].begin(), stops[dependent].end());
    }
    std::sort(after.begin(), after.end());
    for (const auto& c : containers) {
      if (c.service == *service && c.is_up()) add(c, after);
    }
  }
  return by_name;
}

}  // namespace

Observed within(const std::optional<Scope>& scope, Observed observed) {
  if (scope) {
    std::erase_if(observed.containers,
                  [&](const auto& c) { return !scope->services.contains(c.service); });
  }
  return observed;
}

Plan plan_stop(const Project& project, const Observed& observed,
               const std::vector<std::string>& services) {
  Plan plan;
  std::vector<ObservedContainer> containers = observed.containers;
  std::erase_if(containers, [&](const auto& c) {
    bool chosen = services.empty() || std::ranges::find(services, c.service) != services.end();
    return c.one_off || !chosen;
  });
  stop_in_order(project, containers, "stop", plan);
  return plan;
}

namespace {

// And what depends on them: it cannot do without.
std::set<std::string> with_dependents(const Project& project,
                                      const std::vector<std::string>& services) {
  compose::ServiceGraph graph(project);
  std::set<std::string> all;
  std::vector<std::string> open = services;
  while (!open.empty()) {
    std::string name = std::move(open.back());
    open.pop_back();
    if (!all.insert(name).second || !project.services.contains(name)) continue;
    const auto& dependents = graph.dependents_of(name);
    open.insert(open.end(), dependents.begin(), dependents.end());
  }
  return all;
}

// Which containers `down` removes: the replicas of the file's services; on request what `run` made,
// and what no profile of the file has.
std::vector<ObservedContainer> that_go(const Project& project, const Observed& observed,
                                       const DownOptions& options) {
  std::set<std::string> named = with_dependents(project, options.services);
  std::set<std::string> hooks = pre_start_names(project);  // they have no other way to go
  std::vector<ObservedContainer> out;
  for (const auto& c : observed.containers) {
    bool active = !options.scope || options.scope->services.contains(c.service);
    bool stray = !active && !options.scope->inactive.contains(c.service);
    bool chosen = active && (named.empty() || named.contains(c.service));
    bool replica = !c.one_off || hooks.contains(c.name);
    if ((chosen && (replica || options.remove_orphans)) || (stray && options.remove_orphans))
      out.push_back(c);
  }
  return out;
}

// What some containers have in common: names, networks in use, volumes.
struct Used {
  explicit Used(const std::vector<ObservedContainer>& containers) {
    for (const auto& c : containers) {
      names.insert(c.name);
      if (c.is_up()) networks.insert(c.networks.begin(), c.networks.end());
      volumes.insert(c.volumes.begin(), c.volumes.end());
    }
  }
  std::set<std::string> names, networks, volumes;
};

// Where services are named, theirs; else the file's, and those without a name, whose containers may
// be gone for long.
bool volume_goes(const std::string& name, const Used& by_those_that_go, const Observed& observed,
                 const DownOptions& options) {
  if (!options.services.empty()) return by_those_that_go.volumes.contains(name);
  return !options.scope || options.scope->volumes.contains(name) ||
         observed.anonymous_volumes.contains(name);
}

}  // namespace

Plan plan_down(const Project& project, const Observed& observed, const DownOptions& options) {
  Plan plan;
  auto going = that_go(project, observed, options);
  auto stops = stop_in_order(project, going, "down", plan);
  std::vector<NodeId> removed;
  for (const auto& c : going) {
    std::vector<NodeId> after;
    if (stops.contains(c.name)) after.push_back(stops.at(c.name));
    plan.nodes.push_back({RemoveContainer{{c.service, c.number, c.name}}, "down", after, false});
    removed.push_back(plan.nodes.size() - 1);
  }
  Used going_use(going);
  auto staying = observed.containers;
  std::erase_if(staying, [&](const auto& c) { return going_use.names.contains(c.name); });
  Used in_use(staying);
  for (const std::string& name : observed.networks) {
    if (!in_use.networks.contains(name))
      plan.nodes.push_back({RemoveNetwork{name}, "down", removed, false});
  }
  for (const std::string& name : observed.volumes) {
    if (options.volumes && !in_use.volumes.contains(name) &&
        volume_goes(name, going_use, observed, options))
      plan.nodes.push_back({RemoveVolume{name}, "down --volumes", removed, false});
  }
  return plan;
}

}  // namespace pcompose::scheduler
