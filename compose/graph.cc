#include "compose/graph.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "compose/cycle.h"

namespace pcompose::compose {

ServiceGraph::ServiceGraph(const Project& project) {
  Edges edges;
  for (const auto& [name, service] : project.services) {
    auto& targets = edges[name];
    for (const Dependency& dependency : service.depends_on) {
      if (project.services.contains(dependency.service)) {
        targets.emplace(dependency.service, dependency.position);
      }
    }
  }
  if (auto cycle = find_cycle(edges)) {
    throw ComposeError(
        Diagnostic{cycle->position,
                   fmt::format("services.{}.depends_on", cycle->names.at(cycle->names.size() - 2)),
                   "dependency cycle detected: " + cycle->str()});
  }
  for (const auto& [name, targets] : edges) {
    links_[name];
    for (const auto& [target, position] : targets) {
      links_[name].dependencies.push_back(target);
      links_[target].dependents.push_back(name);
    }
  }
  sort_topologically();
}

void ServiceGraph::sort_topologically() {
  std::map<std::string, size_t> waiting;
  std::set<std::string> ready;  // alphabetical, so that the order is the same every time
  for (const auto& [name, links] : links_) {
    waiting[name] = links.dependencies.size();
    if (links.dependencies.empty()) ready.insert(name);
  }
  while (!ready.empty()) {
    std::string name = std::move(ready.extract(ready.begin()).value());
    for (const std::string& dependent : links_.at(name).dependents) {
      if (--waiting.at(dependent) == 0) ready.insert(dependent);
    }
    order_.push_back(std::move(name));
  }
}

const ServiceGraph::Links& ServiceGraph::links(const std::string& name) const {
  auto it = links_.find(name);
  if (it == links_.end()) throw Error(fmt::format("no such service: {}", name));
  return it->second;
}

const std::vector<std::string>& ServiceGraph::dependencies_of(const std::string& name) const {
  return links(name).dependencies;
}

const std::vector<std::string>& ServiceGraph::dependents_of(const std::string& name) const {
  return links(name).dependents;
}

std::vector<std::string> ServiceGraph::selection(const std::vector<std::string>& names,
                                                 Dependencies dependencies) const {
  if (names.empty()) return order_;
  std::set<std::string> chosen;
  std::vector<std::string> open = names;
  while (!open.empty()) {
    std::string name = std::move(open.back());
    open.pop_back();
    const Links& l = links(name);
    if (!chosen.insert(name).second || dependencies == Dependencies::without) continue;
    open.insert(open.end(), l.dependencies.begin(), l.dependencies.end());
  }
  std::vector<std::string> out;
  std::ranges::copy_if(order_, std::back_inserter(out),
                       [&](const std::string& n) { return chosen.contains(n); });
  return out;
}

}  // namespace pcompose::compose
