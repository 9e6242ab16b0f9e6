// pre_start: containers that run to their end before the first container of a service starts
// (compose specification, "pre_start"). Pure.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "compose/project.h"
#include "scheduler/observed.h"
#include "scheduler/plan.h"

namespace pcompose::scheduler {

// The service's hooks as services of their own, in order, by their container_name: with its
// networks, environment and rights, and the volumes of its container. No replicas of it: they
// publish no port and answer to no name.
std::vector<compose::Service> pre_start_of(const compose::Project& project,
                                           const compose::Service& service);

// The containers' names of all hooks of the project.
std::set<std::string> pre_start_names(const compose::Project& project);

// What the chain of hooks has to wait for.
struct BeforeHooks {
  std::string cause;
  std::vector<NodeId> containers;  // the service's is there, with its volumes
  std::vector<NodeId> conditions;  // it could start
};

// Adds them to the plan: each is made, run to its end and removed, one after another; one that
// fails stays to be looked at, until the next attempt. Returns what a start of the service has to
// wait for: nothing where it has no hooks.
std::vector<NodeId> add_pre_start(Plan& plan, const compose::Project& project,
                                  const compose::Service& service, const Observed& observed,
                                  const BeforeHooks& before);

}  // namespace pcompose::scheduler
