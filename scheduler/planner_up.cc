#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "base/error.h"
#include "compose/graph.h"
#include "scheduler/planner.h"
#include "scheduler/pre_start.h"
#include "scheduler/sharing.h"

namespace pcompose::scheduler {
namespace {

using compose::Project;
using compose::Service;

// Builds one plan; its members are the nodes that later nodes have to wait for.
class UpPlanner {
 public:
  UpPlanner(const Project& project, const Desired& desired, const Observed& observed,
            const UpOptions& options)
      : project_(project),
        desired_(desired),
        all_(observed),
        observed_(observed),
        options_(options),
        graph_(project) {
    std::erase_if(observed_.containers, [](const auto& c) { return c.one_off; });
  }

  Plan plan() {
    auto order = graph_.selection(options_.services, options_.with_dependencies
                                                         ? compose::Dependencies::with
                                                         : compose::Dependencies::without);
    if (order.empty() && !options_.all_resources)
      throw Error("no service selected").hint("the project has no service in an active profile");
    selected_ = {order.begin(), order.end()};
    for (const std::string& name : order) require_lenders(project_.services.at(name));
    for (const std::string& name : order) require_external(project_.services.at(name));
    require_own_names(order);
    if (options_.remove_orphans) remove_orphans();
    for (const std::string& name : order) leave_changed_networks(project_.services.at(name));
    for (const std::string& name : order) relabel_volumes(project_.services.at(name));
    for (const std::string& name : order) add_service(project_.services.at(name));
    remove_ended_hooks();
    if (options_.all_resources) add_unused();
    add_guests();
    start_others_again();
    if (options_.wait) {
      for (const std::string& name : order) {
        add(AwaitReady{name}, "--wait", settled(name));
      }
    }
    return std::move(plan_);
  }

  // `all`: with what `run` made.
  Plan plan_one_off(const Service& service, const Observed& all) {
    auto selected = graph_.selection({service.name}, compose::Dependencies::with);
    std::erase(selected, service.name);
    if (service.depends_on.empty()) selected.clear();  // --no-deps
    selected_ = {selected.begin(), selected.end()};
    if (options_.remove_orphans) remove_orphans();
    for (const std::string& name : selected) require_external(project_.services.at(name));
    require_external(service);
    for (const std::string& name : selected) add_service(project_.services.at(name));
    auto same_name =
        std::ranges::find(all.containers, service.container_name, &ObservedContainer::name);
    std::vector<NodeId> started;
    if (same_name == all.containers.end()) {
      create(service, 1, "run", {}, started);
      return std::move(plan_);
    }
    bool repeated = same_name->one_off && same_name->status == Status::created &&
                    same_name->service == service.name;
    if (!repeated) {
      throw Error("container " + service.container_name + " exists already")
          .hint("choose another --name, or remove it: pcompose down, or rm");
    }
    start(service, ref(*same_name), "run", {}, started);
    return std::move(plan_);
  }

 private:
  NodeId add(Operation operation, std::string cause, std::vector<NodeId> after) {
    std::sort(after.begin(), after.end());
    after.erase(std::unique(after.begin(), after.end()), after.end());
    plan_.nodes.push_back({std::move(operation), std::move(cause), std::move(after)});
    return plan_.nodes.size() - 1;
  }

  // Only of those that are to be side by side: one at a time may have the name.
  void require_own_names(const std::vector<std::string>& services) const {
    std::map<std::string, std::string> owners;
    for (const std::string& name : services) {
      const Service& service = project_.services.at(name);
      if (service.container_name.empty()) continue;
      auto [other, fresh] = owners.emplace(service.container_name, name);
      if (fresh) continue;
      throw Error(fmt::format("services.{}: container name \"{}\" is already in use by service {}",
                              name, service.container_name, other->second))
          .at(service.origin("container_name"))
          .hint("give one of them another name, or name the one to start");
    }
  }

  // Before anything is touched.
  void require_external(const Service& service) const {
    for (const auto& membership : service.networks) {
      const auto& network = project_.networks.at(membership.network);
      if (!observed_.missing_networks.contains(network.name)) continue;
      throw Error("network " + network.name + " declared as external, but could not be found")
          .at(network.position)
          .hint("make it with `pcompose network create " + network.name +
                "`, or by the project that owns it; or leave `external` out");
    }
    for (const auto& mount : service.volumes) {
      auto volume = project_.volumes.find(mount.source);
      if (volume == project_.volumes.end() ||
          !observed_.missing_volumes.contains(volume->second.name))
        continue;
      throw Error("external volume \"" + volume->second.name + "\" not found")
          .at(volume->second.position)
          .hint("make it by the project that owns it; or leave `external` out");
    }
  }

  // --no-deps, and whose network or volumes it is to have is gone.
  void require_lenders(const Service& service) const {
    for (const Loan& loan : loans_of(service)) {
      if (selected_.contains(loan.owner) || has_containers(loan.owner)) continue;
      throw Error(
          fmt::format("cannot share {} with service {}: container missing", loan.what, loan.owner))
          .at(service.position)
          .hint("leave out --no-deps, or create it first");
    }
  }

  void add_unused() {
    for (const auto& [key, declared] : project_.networks) network(key);
    for (const auto& [key, declared] : project_.volumes) volume(key);
  }

  // Who lives in namespaces of a container that is made anew follows it, selected or not: they
  // would be ones without neighbours.
  void add_guests() {
    for (const std::string& name : graph_.order()) {
      const Service& service = project_.services.at(name);
      bool guest = !lost_with(service, made_anew_).empty();
      if (guest && !selected_.contains(name) && has_containers(name)) add_service(service);
    }
  }

  std::optional<NodeId> network(const std::string& key) {
    const auto& network = project_.networks.at(key);
    auto made = networks_.find(key);
    if (made != networks_.end()) return made->second;
    if (network.external || observed_.networks.contains(network.name)) return std::nullopt;
    return networks_[key] = add(CreateNetwork{key, network.name}, "new", {});
  }

  // A network that has to be otherwise is made anew while nobody is on it, of whatever service.
  void leave_changed_networks(const Service& service) {
    for (const auto& membership : service.networks) {
      const auto& network = project_.networks.at(membership.network);
      auto change = observed_.changed_networks.find(network.name);
      if (change == observed_.changed_networks.end() || networks_.contains(membership.network))
        continue;
      std::string cause = "network " + network.name + " changed: " + change->second;
      std::vector<NodeId> stopped;
      for (const auto& c : observed_.containers) {
        if (c.is_up() && is_on(c, membership.network)) stopped.push_back(stop(c, cause, {}));
      }
      networks_[membership.network] = add(CreateNetwork{membership.network, network.name},
                                          "changed: " + change->second, stopped);
    }
  }

  [[nodiscard]] bool is_on(const ObservedContainer& c, const std::string& network) const {
    auto service = project_.services.find(c.service);
    return service != project_.services.end() &&
           std::ranges::any_of(service->second.networks,
                               [&](const auto& n) { return n.network == network; });
  }

  // Containers that had to stop although their services are not selected.
  void start_others_again() {
    for (const auto& c : observed_.containers) {
      auto stopped = stops_.find(c.name);
      bool other = project_.services.contains(c.service) && !started_.contains(c.service);
      if (stopped == stops_.end() || !other || !options_.start) continue;
      std::vector<NodeId> ignored;
      start(project_.services.at(c.service), ref(c), "stopped for its network", {stopped->second},
            ignored);
    }
  }

  // Containers and data stay: they do not depend on labels.
  void relabel_volumes(const Service& service) {
    for (const auto& mount : service.volumes) {
      auto found = project_.volumes.find(mount.source);
      if (found != project_.volumes.end() &&
          observed_.relabelled_volumes.contains(found->second.name))
        volume(mount.source);
    }
  }

  std::optional<NodeId> volume(const std::string& key) {
    auto found = project_.volumes.find(key);
    if (found == project_.volumes.end()) return std::nullopt;  // anonymous
    const std::string& name = found->second.name;
    bool relabelled = observed_.relabelled_volumes.contains(name);
    if (found->second.external || (observed_.volumes.contains(name) && !relabelled))
      return std::nullopt;
    auto [it, fresh] = volumes_.try_emplace(key, 0);
    if (fresh)
      it->second =
          add(CreateVolume{key, name, relabelled}, relabelled ? "labels changed" : "new", {});
    return it->second;
  }

  std::vector<NodeId> resources(const Service& service) {
    std::vector<NodeId> after;
    for (const auto& n : service.networks) {
      if (auto id = network(n.network)) after.push_back(*id);
    }
    for (const auto& m : service.volumes) {
      if (m.type != compose::MountType::volume) continue;
      if (auto id = volume(m.source)) after.push_back(*id);
    }
    return after;
  }

  // What has to be over before a container of the service may start.
  std::vector<NodeId> conditions(const Service& service) {
    std::vector<NodeId> after;
    for (const auto& d : service.depends_on) {
      auto started = started_.find(d.service);
      if (started == started_.end() && !has_containers(d.service)) continue;  // --no-deps
      if (d.condition == compose::Condition::service_started && d.required) {
        after.insert(after.end(), started_[d.service].begin(), started_[d.service].end());
        continue;
      }
      auto key = std::make_tuple(d.service, d.condition, d.required);
      auto [it, fresh] = awaited_.try_emplace(key, 0);
      if (fresh) {
        it->second = add(AwaitCondition{d.service, d.condition, d.required},
                         "needed by " + service.name, settled(d.service));
        plan_.nodes[it->second].best_effort = !d.required;
      }
      after.push_back(it->second);
    }
    return after;
  }

  // When the service has the containers that it will have.
  std::vector<NodeId> settled(const std::string& service) {
    std::vector<NodeId> after = started_[service];
    after.insert(after.end(), surplus_[service].begin(), surplus_[service].end());
    return after;
  }

  [[nodiscard]] bool has_containers(const std::string& service) const {
    return std::any_of(observed_.containers.begin(), observed_.containers.end(),
                       [&](const ObservedContainer& c) { return c.service == service; });
  }

  // The containers that stay come first: what is up to date before what is not, low numbers before
  // high ones.
  std::vector<const ObservedContainer*> existing(const Service& service) const {
    std::vector<const ObservedContainer*> out;
    for (const auto& c : observed_.containers) {
      if (c.service == service.name) out.push_back(&c);
    }
    std::ranges::sort(out, {}, [&](const ObservedContainer* c) {
      return std::make_pair(!divergence(service, *c).empty(), c->number);
    });
    return out;
  }

  void add_service(const Service& service) {
    auto& started = started_[service.name];
    auto containers = existing(service);
    size_t wanted = static_cast<size_t>(std::max(service.scale, 0));
    int highest = 0;
    for (const ObservedContainer* c : containers) highest = std::max(highest, c->number);
    for (size_t i = 0; i < containers.size(); ++i) {
      if (i < wanted)
        keep(service, *containers[i], started);
      else
        surplus_[service.name].push_back(remove(*containers[i], "scaled down"));
    }
    for (size_t i = containers.size(); i < wanted; ++i)
      create(service, ++highest, "new", {}, started);
  }

  void keep(const Service& service, const ObservedContainer& c, std::vector<NodeId>& started) {
    std::string why = divergence(service, c);
    if (!why.empty()) {
      stop_dependents(service.name);
      NodeId removed = remove(c, why);
      return create(service, c.number, why, {removed}, started);
    }
    bool completed = !options_.rerun_jobs && c.status == Status::exited && c.exit_code == 0 &&
                     service.restart.kind == compose::Restart::no && is_job(project_, service.name);
    auto stopped = stops_.find(c.name);
    if (stopped != stops_.end() && options_.start) {
      const std::string cause = plan_.nodes[stopped->second].cause;
      return start(service, ref(c), cause, {stopped->second}, started);
    }
    // A job that others waited for and that is unchanged is not run again.
    if (c.status == Status::running || c.status == Status::restarting || completed ||
        !options_.start)
      return;
    if (c.status == Status::paused) {
      started.push_back(add(UnpauseContainer{ref(c)}, "paused", {}));
      return;
    }
    start(service, ref(c), c.status == Status::created ? "not started yet" : "stopped", {},
          started);
  }

  // Who depends on the service with `restart: true`, or lives in its namespaces, is down while it
  // is made anew.
  void stop_dependents(const std::string& name) {
    if (!options_.start || !restarted_.insert(name).second) return;
    for (const std::string& dependent : graph_.dependents_of(name)) {
      const auto& needs = project_.services.at(dependent).depends_on;
      bool asks =
          std::ranges::any_of(needs, [&](const auto& d) { return d.service == name && d.restart; });
      bool lives_there = !lost_with(project_.services.at(dependent), {name}).empty();
      if ((!asks && !lives_there) || !selected_.contains(dependent)) continue;
      for (const auto& c : observed_.containers) {
        if (c.service == dependent && c.is_up())
          dependents_stopped_[name].push_back(stop(c, name + " is made anew", {}));
      }
    }
  }

  // Of one that an older version made nothing is known.
  [[nodiscard]] std::string changed_mount(const std::string& service,
                                          const ObservedContainer& c) const {
    auto wanted = desired_.mounted_images.find(service);
    if (wanted == desired_.mounted_images.end()) return "";
    for (const auto& [name, id] : wanted->second) {
      auto mounted = c.mounted_images.find(name);
      if (mounted != c.mounted_images.end() && mounted->second != id) return name;
    }
    return "";
  }

  [[nodiscard]] std::string divergence(const Service& service, const ObservedContainer& c) const {
    bool named = options_.services.empty() ||
                 std::find(options_.services.begin(), options_.services.end(), service.name) !=
                     options_.services.end();
    if (options_.recreate == Recreate::never) return "";
    if (options_.recreate == Recreate::force && (named || options_.recreate_dependencies))
      return "forced";
    if (c.config_hash != desired_.config_hash.at(service.name))
      return c.change.empty() ? "configuration changed" : c.change;
    if (c.image_id != desired_.image_id.at(service.name)) return "image changed";
    if (std::string other = changed_mount(service.name, c); !other.empty())
      return "image " + other + " of a volume changed";
    // It would go on in a namespace of the container that went.
    std::string lost = lost_with(service, made_anew_);
    return lost.empty() ? "" : "its " + lost + " is made anew";
  }

  // What frees the name where this plan does. Throws Error where another service keeps it.
  std::optional<NodeId> place_freed(const Service& service, const std::string& name) const {
    if (auto removed = removed_.find(name); removed != removed_.end()) return removed->second;
    auto other = std::ranges::find(all_.containers, name, &ObservedContainer::name);
    if (other == all_.containers.end() || other->service == service.name) return std::nullopt;
    throw Error(
        fmt::format("container name \"{}\" is already in use by service {}", name, other->service))
        .at(service.origin("container_name"))
        .hint(project_.services.contains(other->service)
                  ? "remove it first: pcompose rm -sf " + other->service
                  : "remove it with --remove-orphans");
  }

  void create(const Service& service, int number, const std::string& cause,
              std::vector<NodeId> after, std::vector<NodeId>& started) {
    std::string name = service.container_name.empty()
                           ? fmt::format("{0}{3}{1}{3}{2}", project_.name, service.name, number,
                                         project_.separator)
                           : service.container_name;
    ReplicaRef replica{service.name, number, name};
    if (auto id = place_freed(service, name)) after.push_back(*id);
    for (NodeId id : resources(service)) after.push_back(id);
    made_anew_.insert(service.name);
    NodeId created = add(CreateContainer{replica, options_.new_volumes}, cause, after);
    created_[service.name].push_back(created);
    if (options_.start) start(service, replica, cause, {created}, started);
  }

  void start(const Service& service, const ReplicaRef& replica, const std::string& cause,
             std::vector<NodeId> after, std::vector<NodeId>& started) {
    // A container that exists may still need a network that was lost.
    for (NodeId id : resources(service)) after.push_back(id);
    // Whose network it is to live in must be there.
    if (service.network_mode.starts_with("service:")) {
      for (NodeId id : created_[service.network_mode.substr(8)]) after.push_back(id);
    }
    for (const std::string& owner : needs_process_of(service)) {
      for (NodeId id : started_[owner]) after.push_back(id);
    }
    NodeId prepared = add(PrepareContainer{replica}, cause, after);
    auto before_start = conditions(service);
    auto hooks = pre_start(service, cause, before_start);
    before_start.insert(before_start.end(), hooks.begin(), hooks.end());
    before_start.push_back(prepared);
    started.push_back(add(StartContainer{replica}, cause, before_start));
  }

  // Once a service, where none of its containers goes on running.
  std::vector<NodeId> pre_start(const Service& service, const std::string& cause,
                                const std::vector<NodeId>& conditions) {
    bool goes_on = std::ranges::any_of(observed_.containers, [&](const ObservedContainer& c) {
      return c.service == service.name && c.is_up() && !stops_.contains(c.name);
    });
    if (goes_on) return {};
    auto [hooks, fresh] = hooks_.try_emplace(service.name);
    if (fresh) {
      BeforeHooks before{cause, created_[service.name], conditions};
      for (NodeId id : resources(service)) before.containers.push_back(id);
      hooks->second = add_pre_start(plan_, project_, service, all_, before);
    }
    return hooks->second;
  }

  // The supervisor died before it could remove them, and their service runs already.
  void remove_ended_hooks() {
    std::set<std::string> hooks = pre_start_names(project_);
    for (const auto& c : all_.containers) {
      bool over = hooks.contains(c.name) && c.status == Status::exited && c.exit_code == 0;
      if (over && selected_.contains(c.service) && !hooks_.contains(c.service))
        remove(c, "has run");
    }
  }

  NodeId stop(const ObservedContainer& c, const std::string& cause, std::vector<NodeId> after) {
    auto [it, fresh] = stops_.try_emplace(c.name, 0);
    if (fresh) it->second = add(StopContainer{ref(c)}, cause, std::move(after));
    return it->second;
  }

  NodeId remove(const ObservedContainer& c, const std::string& cause) {
    std::vector<NodeId> after = dependents_stopped_[c.service];
    if (c.is_up()) after.push_back(stop(c, cause, after));
    return removed_[c.name] = add(RemoveContainer{ref(c)}, cause, after);
  }

  void remove_orphans() {
    for (const auto& c : orphans(project_, all_)) remove(c, "orphan");
  }

  static ReplicaRef ref(const ObservedContainer& c) { return {c.service, c.number, c.name}; }

  const Project& project_;
  const Desired& desired_;
  const Observed& all_;
  Observed observed_;  // without what `run` made
  const UpOptions& options_;
  compose::ServiceGraph graph_;
  Plan plan_;
  std::map<std::string, NodeId> networks_, volumes_;
  std::set<std::string> selected_;                                 // services
  std::set<std::string> made_anew_, restarted_;                    // services
  std::map<std::string, NodeId> stops_, removed_;                  // by container
  std::map<std::string, std::vector<NodeId>> dependents_stopped_;  // before a service is removed
  std::map<std::string, std::vector<NodeId>> surplus_;             // removed, by service
  std::map<std::string, std::vector<NodeId>> created_;
  std::map<std::string, std::vector<NodeId>> hooks_;  // pre_start, by service
  std::map<std::string, std::vector<NodeId>> started_;
  std::map<std::tuple<std::string, compose::Condition, bool>, NodeId> awaited_;
};

}  // namespace

Plan plan_up(const Project& project, const Desired& desired, const Observed& observed,
             const UpOptions& options) {
  return UpPlanner(project, desired, observed, options).plan();
}

bool is_job(const Project& project, const std::string& name) {
  for (const auto& [other, service] : project.services) {
    for (const auto& d : service.depends_on) {
      if (d.service == name && d.condition == compose::Condition::service_completed_successfully)
        return true;
    }
  }
  return false;
}

Plan plan_run(const Project& project, const Desired& desired, const Observed& observed,
              const RunOptions& options) {
  UpOptions up;
  up.services = {options.service.name};
  up.remove_orphans = options.remove_orphans;
  return UpPlanner(project, desired, observed, up).plan_one_off(options.service, observed);
}

std::vector<ObservedContainer> orphans(const Project& project, const Observed& observed) {
  std::vector<ObservedContainer> out;
  std::set<std::string> hooks = pre_start_names(project);
  for (const auto& c : observed.containers) {
    bool known =
        project.services.contains(c.service) || project.disabled_services.contains(c.service);
    bool ended = c.one_off && c.status == Status::exited && !hooks.contains(c.name);
    if (ended || (!c.one_off && !known)) out.push_back(c);
  }
  return out;
}

}  // namespace pcompose::scheduler
