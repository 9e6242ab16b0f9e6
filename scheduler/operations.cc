// The operations of a plan, carried out.
#include <algorithm>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"
#include "compose/config_output.h"
#include "compose/json.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

std::string command_text(const std::vector<std::string>& args) {
  std::string out;
  for (const std::string& a : args) out += (out.empty() ? "" : " ") + a;
  return out;
}

// What a container that ended when, or as, it should not have has to say.
Error ended(Replica& r, std::string text) {
  if (!r.row().error.empty()) text += " (" + r.row().error + ")";
  std::string output = r.last_output();
  if (!output.empty()) text += "\n  its last output:" + output;
  Error error(text);
  error.at(r.service().position);
  return error;
}

Error died(Replica& r) {
  return ended(r, fmt::format("container {} exited ({})", r.row().name, r.row().exit_code));
}

class HealthWaiter {
 public:
  explicit HealthWaiter(Replica& replica) : replica_(replica) { replica_.add_health_waiter(); }
  HealthWaiter(const HealthWaiter&) = delete;
  HealthWaiter& operator=(const HealthWaiter&) = delete;
  ~HealthWaiter() { replica_.remove_health_waiter(); }

 private:
  Replica& replica_;
};

}  // namespace

Task<> Supervisor::perform(const Operation& operation) {
  if (auto* o = std::get_if<CreateNetwork>(&operation)) co_return co_await create_network(o->key);
  if (auto* o = std::get_if<CreateVolume>(&operation)) co_return co_await create_volume(o->key);
  if (auto* o = std::get_if<CreateContainer>(&operation)) co_return create_container(*o);
  if (auto* o = std::get_if<PrepareContainer>(&operation)) {
    // The record first: what a crash leaves behind must be known to the next supervisor.
    if (store_.dirty()) store_.flush();
    co_await ensure_networks(replica(o->replica).service());
    co_return co_await replica(o->replica).prepare();
  }
  if (auto* o = std::get_if<StartContainer>(&operation))
    co_return co_await replica(o->replica).start();
  if (auto* o = std::get_if<AwaitCondition>(&operation)) co_return co_await await_condition(*o);
  if (auto* o = std::get_if<AwaitEnd>(&operation)) co_return co_await await_hook(o->replica);
  if (auto* o = std::get_if<AwaitReady>(&operation)) co_return co_await await_ready(o->service);
  if (auto* o = std::get_if<StopContainer>(&operation))
    co_return co_await replica(o->replica).stop(grace_);
  if (auto* o = std::get_if<KillContainer>(&operation))
    co_return replica(o->replica).send_signal(o->signal);
  if (auto* o = std::get_if<PauseContainer>(&operation)) co_return replica(o->replica).pause();
  if (auto* o = std::get_if<UnpauseContainer>(&operation)) co_return replica(o->replica).unpause();
  if (auto* o = std::get_if<RemoveContainer>(&operation))
    co_return co_await remove_container(o->replica);
  if (auto* o = std::get_if<RemoveNetwork>(&operation)) co_return co_await remove_network(o->name);
  if (auto* o = std::get_if<RemoveVolume>(&operation)) co_return co_await remove_volume(o->name);
}

Task<> Supervisor::create_volume(const std::string& key) {
  const auto& v = model_.volumes.at(key);
  try {
    co_await volume_thread_.run([&] {
      auto row = volumes_->ensure(v.name, model_.name, key, v.labels);
      if (row.labels != v.labels) volumes_->relabel(v.name, v.labels);
    });
  } catch (Error& e) {
    throw e.add("volume " + v.name).at(v.position);
  }
}

void Supervisor::create_container(const CreateContainer& operation) {
  const ReplicaRef& ref = operation.replica;
  const compose::Service service = *described(ref);
  auto image = images_.find(service.image);
  if (!image) {
    throw Error("no image " + service.image)
        .at(service.origin("image"))
        .hint("pcompose image load FILE");
  }
  ContainerRow row;
  row.id = random_hex(32);
  row.project = model_.name;
  row.service = ref.service;
  row.number = ref.number;
  row.name = ref.name;
  row.config_hash = materials_.config_hash(service, model_, hash_key_);
  row.image_id = image->id;
  row.image = service.image;
  compose::Service shown = service;
  shown.init = false;  // as docker shows it
  row.command = command_text(command_of(shown, image->config));
  row.service_json = json::serialize(compose::to_json(service));
  bool beside = one_off_ && one_off_->service.container_name == ref.name;
  row.one_off = beside || is_pre_start(ref);
  row.remove_at_end = beside && one_off_->remove_at_end;
  auto inherited = inherited_volumes_.extract(ref.name);
  if (!inherited.empty() && !operation.new_volumes)
    row.anonymous_volumes = std::move(inherited.mapped());
  auto replaced = replaced_.extract(ref.name);
  if (!replaced.empty()) store_.remove_container(replaced.mapped());
  auto& fresh = replicas_[ref.name];
  fresh = std::make_unique<Replica>(context_, std::move(row), std::move(*image));
  fresh->create();  // where it fails there is a row: it is known, and can be removed
  if (beside && one_off_->client) fresh->attach(one_off_->client);
}

Task<> Supervisor::await_healthy(Replica& r) {
  if (!r.has_health_check() && !r.is_up()) throw died(r);
  if (!r.has_health_check()) {
    throw Error("container " + r.row().name + " has no health check, so it never becomes healthy")
        .at(r.service().position)
        .hint("add healthcheck: to the service, or depend on service_started");
  }
  HealthWaiter eager(r);
  while (r.row().health != Health::healthy) {
    if (r.row().health == Health::unhealthy) {
      std::string told = r.last_probe_output();
      throw Error("container " + r.row().name + " is unhealthy" + (told.empty() ? "" : ": ") + told)
          .at(r.service().position);
    }
    if (!r.is_up()) throw died(r);
    co_await r.changed().wait();
  }
}

// The kernel has no event for a socket that begins to listen: looked up in its namespace, 30
// microseconds a time, with pauses that grow to 20 ms.
Task<> Supervisor::await_listening(Replica& r) {
  using std::chrono::milliseconds;
  if (!r.exposes_tcp()) {
    throw Error("container " + r.row().name +
                " exposes no TCP port, so nothing tells that it listens")
        .at(r.service().position)
        .hint("add expose: or ports: to the service, or depend on service_started");
  }
  for (auto pause = milliseconds(1);; pause = std::min(pause * 2, milliseconds(20))) {
    if (!r.is_up()) throw died(r);
    if (co_await r.is_listening()) co_return;
    co_await sleep_for(pause);
  }
}

// Throws Error with `words` before the exit code: docker compose's, which scripts look for.
Task<> Supervisor::await_completed(Replica& r, std::string words) {
  while (r.is_up()) co_await r.changed().wait();
  // One that could not be started waits for nobody.
  if (r.row().status != Status::exited || r.row().exit_code != 0)
    throw ended(r, fmt::format("{} {} (container {})", words, r.row().exit_code, r.row().name));
}

Task<> Supervisor::await_hook(const ReplicaRef& ref) {
  co_await await_completed(
      replica(ref),
      fmt::format("service \"{}\" pre_start[{}] exited with code", ref.service, ref.number - 1));
}

Task<> Supervisor::await_condition(const AwaitCondition& operation) {
  const bool job = operation.condition == compose::Condition::service_completed_successfully;
  const std::string job_words =
      fmt::format("{} \"{}\" didn't complete successfully: exit",
                  operation.required ? "service" : "optional dependency", operation.service);
  try {
    for (Replica* r : replicas_of(operation.service)) {
      if (operation.condition == compose::Condition::service_healthy) co_await await_healthy(*r);
      if (job) co_await await_completed(*r, job_words);
      if (operation.condition == compose::Condition::service_listening)
        co_await await_listening(*r);
    }
  } catch (Error& e) {
    if (operation.required) throw job ? e : e.add("dependency failed to start");
    if (!job) e.add("optional dependency \"" + operation.service + "\" failed to start");
    warnings_.emplace_back(e.what());
  }
}

Task<> Supervisor::await_ready(const std::string& service) {
  for (Replica* r : replicas_of(service)) {
    // A job that has completed is as ready as it gets.
    if (r->row().status == Status::exited && r->row().exit_code == 0) continue;
    if (r->has_health_check()) {
      co_await await_healthy(*r);
    } else if (!r->is_up()) {
      throw died(*r);
    } else {
      // It runs. One that dies at once should not count: a moment, and only where nothing better
      // tells.
      using namespace asio::experimental::awaitable_operators;  // NOLINT: operators only
      co_await (r->changed().wait() || sleep_for(std::chrono::milliseconds(50)));
      if (!r->is_up() && r->row().exit_code != 0) throw died(*r);
    }
  }
}

Task<> Supervisor::remove_container(const ReplicaRef& ref) {
  auto it = replicas_.find(ref.name);
  if (it == replicas_.end()) co_return;
  co_await it->second->remove();
  // The row of one that is made anew goes in the transaction that brings its successor's: until
  // then it alone tells whose the anonymous volumes are.
  if (creating_.contains(ref.name)) {
    replaced_[ref.name] = it->second->row().id;
  } else {
    store_.remove_container(it->second->row().id);
  }
  inherited_volumes_[ref.name] = it->second->row().anonymous_volumes;
  // Reserved before the plan began, for who comes next.
  ports_.release(ref.name, starting_.contains(ref.name) ? described(ref) : std::nullopt);
  replicas_.erase(ref.name);
  context_.changed();
}

Task<> Supervisor::remove_volume(const std::string& name) {
  co_await volume_thread_.run([&] { volumes_->remove(name); });
}

}  // namespace pcompose::scheduler
