// What is: replicas, networks and volumes of the project, for the planner.
#include <algorithm>

#include "base/error.h"
#include "scheduler/network_spec.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

// How the file wants the network to be otherwise; "" where it says nothing else.
std::string change_of(const netns::NetworkRow& row, const compose::Project& model) {
  for (const auto& [key, wanted] : model.networks) {
    if (wanted.name != row.name || wanted.external) continue;
    try {
      return netns::difference(row, network_spec(wanted, model.name));
    } catch (const Error&) {
      return "";  // who makes it says what is wrong
    }
  }
  return "";
}

// A container of an earlier file has what the file does not have any more by its first name.
template <class Resources>
std::string name_of(const Resources& declared, const std::string& key, const std::string& project) {
  auto found = declared.find(key);
  return found == declared.end() ? project + "_" + key : found->second.name;
}

void add_resources(ObservedContainer& container, const Replica& r, const compose::Project& model) {
  for (const auto& n : r.service().networks)
    container.networks.insert(name_of(model.networks, n.network, r.row().project));
  for (const auto& m : r.service().volumes) {
    if (m.type == compose::MountType::volume && !m.source.empty())
      container.volumes.insert(name_of(model.volumes, m.source, r.row().project));
  }
  for (const auto& [target, volume] : r.row().anonymous_volumes) container.volumes.insert(volume);
}

}  // namespace

Task<Observed> Supervisor::observe() {
  Observed observed;
  for (const auto& [name, r] : replicas_) {
    observed.containers.push_back(r->observed());
    add_resources(observed.containers.back(), *r, model_);
  }
  std::sort(observed.containers.begin(), observed.containers.end(),
            [](const auto& a, const auto& b) {
              return std::tie(a.service, a.number) < std::tie(b.service, b.number);
            });
  auto networks = co_await networks_.list();
  for (const auto& n : networks) {
    if (n.project != context_.project) continue;
    observed.networks.insert(n.name);
    std::string change = change_of(n, model_);
    if (!change.empty()) observed.changed_networks[n.name] = change;
  }
  for (const auto& [key, wanted] : model_.networks) {
    if (wanted.external &&
        std::ranges::find(networks, wanted.name, &netns::NetworkRow::name) == networks.end())
      observed.missing_networks.insert(wanted.name);
  }
  auto volumes = co_await volume_thread_.run([&] {
    for (const auto& [key, wanted] : model_.volumes) {
      if (wanted.external && !volumes_->find(wanted.name))
        observed.missing_volumes.insert(wanted.name);
    }
    return volumes_->of_project(context_.project);
  });
  for (const auto& v : volumes) {
    observed.volumes.insert(v.name);
    if (v.key.empty()) observed.anonymous_volumes.insert(v.name);
    auto wanted = model_.volumes.find(v.key);
    if (wanted != model_.volumes.end() && wanted->second.name == v.name &&
        wanted->second.labels != v.labels)
      observed.relabelled_volumes.insert(v.name);
  }
  co_return observed;
}

}  // namespace pcompose::scheduler
