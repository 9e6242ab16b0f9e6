// An engine of plain values that refuses what the real one would refuse: a plan's operations in any
// order that the plan allows.
#pragma once

#include <map>
#include <random>
#include <string>

#include "scheduler/planner.h"

namespace pcompose::scheduler {

class SimulatedEngine {
 public:
  SimulatedEngine(const compose::Project& project, const Desired& desired, Observed state)
      : project_(project), desired_(desired) {
    for (auto& c : state.containers) containers_[c.name] = {c, false};
    networks_ = state.networks;
    changed_networks_ = state.changed_networks;
    volumes_ = state.volumes;
  }

  // Runs the plan's nodes, one that may run at a time, chosen by `random`. Throws
  // std::runtime_error where an operation comes too early or makes no sense.
  void run(const Plan& plan, std::mt19937& random);

  // The same step by step, for an executor; what was prepared and not started is given up. What
  // holds now may end by itself while the plan runs: who waits for it has been served. So has who
  // depends on what the plan leaves alone.
  void begin(const Plan& plan);
  void perform(const Operation& operation);
  // The service's containers meet the condition; they do no more.
  void hold(const std::string& service, compose::Condition condition);
  void forget(const std::string& service);
  // Throws std::runtime_error where there is none.
  ObservedContainer& row(const std::string& name);
  [[nodiscard]] std::vector<std::string> containers_of(const std::string& service) const;

  [[nodiscard]] Observed observed() const;

 private:
  struct Container {
    ObservedContainer row;
    bool prepared = false;
  };

  void plan_networks(const Plan& plan);
  void create(const ReplicaRef& replica);
  void start(const ReplicaRef& replica);
  void remove(const ReplicaRef& replica);
  void await(const AwaitCondition& operation);
  void need_resources(const compose::Service& service) const;
  Container& find(const ReplicaRef& replica);
  [[nodiscard]] bool met(const compose::Dependency& dependency) const;
  [[nodiscard]] bool holds(const compose::Dependency& dependency) const;
  [[nodiscard]] bool used(const std::string& network) const;

  const compose::Project& project_;
  const Desired& desired_;
  std::map<std::string, Container> containers_;  // by name
  std::set<std::string> networks_, volumes_;
  std::map<std::string, std::string> changed_networks_;
  std::set<std::string> planned_;  // networks that the plan makes
  std::set<std::pair<std::string, compose::Condition>> held_;
};

// True where the container has processes.
bool is_up(const ObservedContainer& container);

}  // namespace pcompose::scheduler
