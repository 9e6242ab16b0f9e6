#include <algorithm>
#include <set>

#include "compose/graph.h"
#include "scheduler/planner.h"

namespace pcompose::scheduler {
namespace {

using compose::Project;

// Stops containers so that nobody outlives what it depends on. Returns the stop node of each
// container's name.
class StopPlanner {
 public:
  StopPlanner(const Project& project, const Observed& observed,
              const std::vector<std::string>& services)
      : project_(project),
        observed_(observed),
        services_(services.begin(), services.end()),
        graph_(project) {}

  std::map<std::string, NodeId> plan(Plan& plan, const std::string& cause) {
    std::map<std::string, std::vector<NodeId>> stops;  // by service
    std::map<std::string, NodeId> by_name;
    auto add = [&](const ObservedContainer& c, std::vector<NodeId> after) {
      plan.nodes.push_back(
          {StopContainer{{c.service, c.number, c.name}}, cause, std::move(after), true});
      stops[c.service].push_back(plan.nodes.size() - 1);
      by_name[c.name] = plan.nodes.size() - 1;
    };
    for (const auto& c : observed_.containers) {
      if (!project_.services.contains(c.service) && c.is_up() && wanted(c.service)) add(c, {});
    }
    const auto& order = graph_.order();
    for (auto service = order.rbegin(); service != order.rend(); ++service) {
      std::vector<NodeId> after;
      for (const std::string& dependent : graph_.dependents_of(*service)) {
        after.insert(after.end(), stops[dependent].begin(), stops[dependent].end());
      }
      std::sort(after.begin(), after.end());
      for (const auto& c : observed_.containers) {
        if (c.service == *service && c.is_up() && wanted(c.service)) add(c, after);
      }
    }
    return by_name;
  }

  [[nodiscard]] bool wanted(const std::string& service) const {
    return services_.empty() || services_.contains(service);
  }

 private:
  const Project& project_;
  const Observed& observed_;
  std::set<std::string> services_;
  compose::ServiceGraph graph_;
};

}  // namespace

Plan plan_stop(const Project& project, const Observed& observed,
               const std::vector<std::string>& services) {
  Plan plan;
  Observed replicas = observed;
  std::erase_if(replicas.containers, [](const auto& c) { return c.one_off; });
  StopPlanner(project, replicas, services).plan(plan, "stop");
  return plan;
}

namespace {

// And what depends on them: it cannot do without.
std::vector<std::string> with_dependents(const Project& project,
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
  return {all.begin(), all.end()};
}

}  // namespace

Plan plan_down(const Project& project, const Observed& observed, const DownOptions& options) {
  Plan plan;
  StopPlanner stopper(project, observed, with_dependents(project, options.services));
  auto stops = stopper.plan(plan, "down");
  std::vector<NodeId> removed;
  for (const auto& c : observed.containers) {
    if (!stopper.wanted(c.service)) continue;
    std::vector<NodeId> after;
    if (stops.contains(c.name)) after.push_back(stops.at(c.name));
    plan.nodes.push_back({RemoveContainer{{c.service, c.number, c.name}}, "down", after, false});
    removed.push_back(plan.nodes.size() - 1);
  }
  if (!options.services.empty()) return plan;
  for (const std::string& name : observed.networks) {
    plan.nodes.push_back({RemoveNetwork{name}, "down", removed, false});
  }
  if (!options.volumes) return plan;
  for (const std::string& name : observed.volumes) {
    plan.nodes.push_back({RemoveVolume{name}, "down --volumes", removed, false});
  }
  return plan;
}

}  // namespace pcompose::scheduler
