// Runs plans and decides nothing.
#pragma once

#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "scheduler/places.h"
#include "scheduler/plan.h"

namespace pcompose::scheduler {

// Carries one operation out; throws Error. Every operation can be run again after a crash in its
// middle.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual Task<> perform(const Operation& operation) = 0;
};

enum class Outcome { pending, done, failed, skipped };

// What becomes of each node, as it happens.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void begun(const Operation& operation) = 0;
  virtual void ended(const Operation& operation, Outcome outcome) = 0;
};

struct ExecutionResult {
  std::vector<Outcome> outcomes;             // by node
  std::vector<std::exception_ptr> failures;  // in the order they happened
};

// One run of one plan. Everything that may run at once does. A failed node is an outcome of its
// own: what needs it is skipped, the rest goes on.
class Execution {
 public:
  // The references outlive the execution. At most `parallel` operations at once, waits aside.
  Execution(asio::any_io_executor executor, const Plan& plan, Runtime& runtime, EventSink& sink,
            size_t parallel = std::numeric_limits<size_t>::max());

  // Returns when every node is over. After cancel() what was running has been undone or ended by
  // its runtime, and the nodes that did not get their turn are `pending`.
  Task<ExecutionResult> run();
  void cancel() { group_.cancel(); }

 private:
  Task<> run_node(NodeId id);
  Task<Outcome> perform(const Node& node);

  const Plan& plan_;
  Runtime& runtime_;
  EventSink& sink_;
  TaskGroup group_;
  Places places_;
  std::vector<std::unique_ptr<Event>> over_;
  ExecutionResult result_;
};

}  // namespace pcompose::scheduler
