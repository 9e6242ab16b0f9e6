// run and attach: containers beside the replicas of a service, and clients at their terminals.
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "compose/json.h"
#include "scheduler/command_turn.h"
#include "scheduler/pre_start.h"
#include "scheduler/request.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {

std::optional<compose::Service> Supervisor::described(const ReplicaRef& ref) const {
  if (one_off_ && one_off_->service.container_name == ref.name) return one_off_->service;
  auto service = model_.services.find(ref.service);
  if (service == model_.services.end()) return std::nullopt;
  for (compose::Service& hook : pre_start_of(model_, service->second)) {
    if (hook.container_name == ref.name) return std::move(hook);
  }
  return service->second;
}

bool Supervisor::is_pre_start(const ReplicaRef& ref) const {
  auto service = model_.services.find(ref.service);
  if (service == model_.services.end()) return false;
  auto hooks = pre_start_of(model_, service->second);
  return std::ranges::find(hooks, ref.name, &compose::Service::container_name) != hooks.end();
}

Task<> Supervisor::run_one_off(const json::object& request, ProgressSink& progress,
                               std::shared_ptr<AttachStream> client) {
  CommandTurn turn(*this);
  co_await turn.take(progress);
  RunOptions options;
  options.remove_orphans = flag(request, "remove_orphans");
  one_off_ = OneOff{compose::service_from_json(request.at("run")), flag(request, "remove"), client};
  struct Over {
    std::optional<OneOff>& one_off;
    ~Over() { one_off.reset(); }
  } over{one_off_};
  const std::string name = one_off_->service.container_name;
  std::exception_ptr failure;
  try {
    co_await bring_up(request, progress, [&](const Desired& desired, const Observed& observed) {
      if (model_.pod) one_off_->service.network_mode = "pod";
      if (model_.pod_pid && one_off_->service.pid.empty()) one_off_->service.pid = "pod";
      options.service = one_off_->service;
      tell_of_orphans(observed, request, progress);
      // A repeated command: the container is there, and nobody is attached to it yet.
      auto existing = replicas_.find(name);
      Plan plan = plan_run(model_, desired, observed, options);
      if (existing != replicas_.end() && client) existing->second->attach(client);
      return plan;
    });
  } catch (...) {
    failure = std::current_exception();
  }
  auto made = replicas_.find(name);
  if (failure) {
    // It never ran: nobody will look for it.
    bool stale = made != replicas_.end() && made->second->row().one_off && !made->second->is_up();
    if (stale && flag(request, "remove")) co_await discard(made->second->ref());
    std::rethrow_exception(failure);
  }
  if (made != replicas_.end()) progress.line({{"container", name}, {"id", made->second->row().id}});
}

// A container that is down, with its anonymous volumes.
Task<> Supervisor::discard(ReplicaRef ref) {
  auto volumes = replica(ref).row().anonymous_volumes;
  try {
    Silence silence;
    Plan plan;
    plan.nodes.push_back({RemoveContainer{ref}, "--rm", {}});
    co_await run_plan(plan, silence);
    inherited_volumes_.erase(ref.name);
    for (const auto& [target, volume] : volumes) co_await remove_volume(volume);
  } catch (const Error& e) {
    spdlog::warn("remove {}: {}", ref.name, e.what());
  }
}

// --rm: who is attached hears of the end when nothing is left.
Task<> Supervisor::remove_ended(ReplicaRef ref) {
  // Its own watch ends before it goes.
  co_await asio::post(context_.executor, asio::use_awaitable);
  Silence silence;
  CommandTurn turn(*this);
  co_await turn.take(silence);
  auto it = replicas_.find(ref.name);
  if (it == replicas_.end() || it->second->is_up()) co_return;
  int code = it->second->row().exit_code;
  auto attached = it->second->take_attached();
  co_await discard(ref);
  for (const auto& client : attached) client->ended(code);
}

void Supervisor::attach(const json::object& request, std::shared_ptr<AttachStream> client) {
  std::string name = text(request, "container");
  auto found = replicas_.find(name);
  if (!name.empty() && found == replicas_.end()) throw Error("no container " + name);
  Replica& replica = name.empty() ? find_running(text(request, "service"),
                                                 static_cast<int>(number(request, "index")))
                                  : *found->second;
  if (!replica.is_up()) return client->ended(replica.row().exit_code);
  replica.attach(std::move(client));
}

void Supervisor::signal(const json::object& request) {
  ReplicaRef ref{.service = "", .name = text(request, "container")};
  replica(ref).send_signal(signal_number(text(request, "signal")));
}

}  // namespace pcompose::scheduler
