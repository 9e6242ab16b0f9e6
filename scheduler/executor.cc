#include "scheduler/executor.h"

#include <optional>

namespace pcompose::scheduler {

namespace {

// For something outside: it would keep the place for as long as that takes.
bool waits(const Operation& operation) {
  return std::holds_alternative<AwaitCondition>(operation) ||
         std::holds_alternative<AwaitEnd>(operation) ||
         std::holds_alternative<AwaitReady>(operation);
}

}  // namespace

Execution::Execution(asio::any_io_executor executor, const Plan& plan, Runtime& runtime,
                     EventSink& sink, size_t parallel)
    : plan_(plan), runtime_(runtime), sink_(sink), group_(executor), places_(executor, parallel) {
  result_.outcomes.assign(plan.nodes.size(), Outcome::pending);
  for (size_t i = 0; i < plan.nodes.size(); ++i) over_.push_back(std::make_unique<Event>(executor));
}

Task<Outcome> Execution::perform(const Node& node) {
  for (NodeId id : node.after) {
    co_await over_[id]->wait();
    if (result_.outcomes[id] != Outcome::done && !node.best_effort) co_return Outcome::skipped;
  }
  std::optional<Places::Inside> place;
  if (!waits(node.operation)) place.emplace(co_await places_.enter());
  sink_.begun(node.operation);
  try {
    co_await runtime_.perform(node.operation);
  } catch (...) {
    if (is_cancellation(std::current_exception())) throw;
    result_.failures.push_back(std::current_exception());
    co_return Outcome::failed;
  }
  co_return Outcome::done;
}

Task<> Execution::run_node(NodeId id) {
  const Node& node = plan_.nodes[id];
  Outcome outcome = co_await perform(node);
  result_.outcomes[id] = outcome;
  sink_.ended(node.operation, outcome);
  over_[id]->set();
}

Task<ExecutionResult> Execution::run() {
  for (NodeId id = 0; id < plan_.nodes.size(); ++id) group_.spawn(run_node(id));
  co_await group_.join();
  co_return std::move(result_);
}

}  // namespace pcompose::scheduler
