// What to do: a graph of small operations, each with its cause in words. A value; nothing here
// acts.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "compose/project.h"

namespace pcompose::scheduler {

// A container by its place in the project.
struct ReplicaRef {
  std::string service;
  int number = 1;
  std::string name;
  friend bool operator==(const ReplicaRef&, const ReplicaRef&) = default;
};

struct CreateNetwork {
  std::string key;   // in the file
  std::string name;  // of the network itself
};
struct CreateVolume {
  std::string key;
  std::string name;
  bool exists = false;  // only its labels are to be others; the data stays
};
// Record and directories; no process. It takes the anonymous volumes over from the container of its
// name that the same plan removes, unless they are to be new.
struct CreateContainer {
  ReplicaRef replica;
  bool new_volumes = false;
};
struct PrepareContainer {
  ReplicaRef replica;
};  // namespaces, network, root: parked before its program
struct StartContainer {
  ReplicaRef replica;
};
// Waits until every replica of the service meets the condition. Where it is not required, one that
// fails is a warning.
struct AwaitCondition {
  std::string service;
  compose::Condition condition;
  bool required = true;
};
// Waits until the container has ended with code 0.
struct AwaitEnd {
  ReplicaRef replica;
};
// Waits until it runs, is healthy where it has a health check, or has completed with 0: `up
// --wait`.
struct AwaitReady {
  std::string service;
};
struct StopContainer {
  ReplicaRef replica;
};
struct KillContainer {
  ReplicaRef replica;
  int signal = 9;
};
struct PauseContainer {
  ReplicaRef replica;
};
struct UnpauseContainer {
  ReplicaRef replica;
};
struct RemoveContainer {
  ReplicaRef replica;
};
struct RemoveNetwork {
  std::string name;
};
struct RemoveVolume {
  std::string name;
};

using Operation =
    std::variant<CreateNetwork, CreateVolume, CreateContainer, PrepareContainer, StartContainer,
                 AwaitCondition, AwaitEnd, AwaitReady, StopContainer, KillContainer, PauseContainer,
                 UnpauseContainer, RemoveContainer, RemoveNetwork, RemoveVolume>;

using NodeId = size_t;

// One step. It runs when every node of `after` is done; where one of them failed or was skipped, it
// is skipped, unless it is `best_effort`, which only waits for them to be over (teardown goes on).
struct Node {
  Operation operation;
  std::string cause;
  std::vector<NodeId> after;
  bool best_effort = false;
};

struct Plan {
  std::vector<Node> nodes;
  [[nodiscard]] bool empty() const { return nodes.empty(); }
  // One line a node: "3 start container shop-web-1 (new) after 1 2". What --dry-run prints.
  [[nodiscard]] std::string str() const;
};

// For programs: [{"verb", "kind", "name", "cause", "after": [index, …]}, …].
json::array to_json(const Plan& plan);

std::string describe(const Operation& operation);

// The same in parts, for programs: {"start", "container", "shop-web-1"}.
struct OperationParts {
  std::string verb, kind, name;
};
OperationParts parts_of(const Operation& operation);

}  // namespace pcompose::scheduler
