// The commands of the control protocol: observe, plan, execute.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "compose/config_hash.h"
#include "compose/json.h"
#include "engine/rootless/own_ids.h"
#include "scheduler/command_turn.h"
#include "scheduler/mounted_images.h"
#include "scheduler/oci_runtimes.h"
#include "scheduler/request.h"
#include "scheduler/supervisor.h"

namespace pcompose::scheduler {
namespace {

// Turns what happens to operations into lines for the client.
class PlanProgress final : public EventSink {
 public:
  explicit PlanProgress(ProgressSink& out) : out_(out) {}
  void begun(const Operation& o) override { tell(o, "begun"); }
  void ended(const Operation& o, Outcome outcome) override {
    static constexpr const char* kNames[] = {"pending", "done", "failed", "skipped"};
    tell(o, kNames[static_cast<int>(outcome)]);
  }

 private:
  static int64_t now() {
    auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
  }
  void tell(const Operation& o, const char* state) {
    OperationParts parts = parts_of(o);
    out_.line({{"operation", describe(o)},
               {"verb", parts.verb},
               {"kind", parts.kind},
               {"name", parts.name},
               {"state", state},
               {"time_ns", now()}});
  }
  ProgressSink& out_;
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  }
}

// What is wrong besides the first failure. One cause may fail several nodes; it is told once.
std::vector<std::string> further_failures(const std::vector<std::exception_ptr>& failures) {
  std::vector<std::string> out;
  std::string first = failures.empty() ? "" : text_of(failures.front());
  for (size_t i = 1; i < failures.size(); ++i) {
    std::string text = text_of(failures[i]);
    std::string cause = text.substr(0, text.find('\n'));
    size_t place = cause.rfind(": ");
    if (place != std::string::npos) cause = cause.substr(place + 2);
    bool told = first.find(cause) != std::string::npos;
    for (const std::string& o : out) told = told || o.find(cause) != std::string::npos;
    if (!told) out.push_back(std::move(text));
  }
  return out;
}

// --wait: each service that is started is ready in the end.
void add_waits(Plan& plan) {
  std::map<std::string, std::vector<NodeId>> started;
  for (NodeId id = 0; id < plan.nodes.size(); ++id) {
    if (const auto* start = std::get_if<StartContainer>(&plan.nodes[id].operation))
      started[start->replica.service].push_back(id);
  }
  for (auto& [service, after] : started)
    plan.nodes.push_back({AwaitReady{service}, "--wait", std::move(after)});
}

void put_values(const json::object& request, Materials& into) {
  const auto* values = request.if_contains("materials");
  if (values == nullptr) return;
  for (const auto& [name, value] : values->as_object())
    into.put(std::string(name), std::string(value.as_string()));
}

std::string change_text(const std::vector<compose::Change>& changes) {
  if (changes.empty()) return "a secret, config or volume changed";
  std::string text;
  for (size_t i = 0; i < changes.size() && i < 3; ++i) {
    const compose::Change& c = changes[i];
    text += (i > 0 ? ", " : "") + c.path;
    if (c.position.known()) text += " (" + c.position.str() + ")";
  }
  if (changes.size() > 3) text += fmt::format(" and {} more", changes.size() - 3);
  return text + " changed";
}

// --parallel: how many operations of a plan may run at once.
size_t limit_of(const json::object& request) {
  int64_t limit = scheduler::number(request, "parallel");
  return limit > 0 ? static_cast<size_t>(limit) : std::numeric_limits<size_t>::max();
}

// Nothing where the command was given without a file.
std::optional<Scope> scope_of(const json::object& request) {
  const auto* given = request.if_contains("scope");
  if (given == nullptr) return std::nullopt;
  auto names = [&](const char* key) {
    auto list = strings(given->as_object(), key);
    return std::set<std::string>(list.begin(), list.end());
  };
  return Scope{names("services"), names("inactive"), names("volumes")};
}

void require_in_scope(const Scope& scope, const std::vector<std::string>& services) {
  for (const std::string& name : services) {
    if (!scope.services.contains(name)) throw Error("no such service: " + name);
  }
}

// What would go, were it not in use: by whom, and the cure.
void tell_of_kept_networks(const Plan& plan, const Observed& observed, ProgressSink& progress) {
  std::set<std::string> kept = observed.networks, gone;
  for (const Node& node : plan.nodes) {
    if (const auto* o = std::get_if<RemoveNetwork>(&node.operation)) kept.erase(o->name);
    if (const auto* o = std::get_if<RemoveContainer>(&node.operation)) gone.insert(o->replica.name);
  }
  for (const std::string& network : kept) {
    std::set<std::string> users;
    for (const auto& c : observed.containers) {
      if (c.is_up() && c.networks.contains(network) && !gone.contains(c.name)) users.insert(c.name);
    }
    progress.line(
        {{"warning", fmt::format("network {}: Resource is still in use by {}; down reaches "
                                 "them with --remove-orphans, or --profile '*'",
                                 network, fmt::join(users, ", "))}});
  }
}

}  // namespace

Desired Supervisor::desired(const Materials& materials) {
  Desired desired;
  for (const auto& [name, service] : model_.services) {
    desired.config_hash[name] = materials.config_hash(service, model_, hash_key_);
    auto image = images_.find(service.image);
    desired.image_id[name] = image ? image->id : "";
    desired.mounted_images[name] = mounted_images(service, model_, images_);
  }
  return desired;
}

// An upgrade recreates nothing: where another version made the hash, the descriptions decide.
void Supervisor::note_changes(Observed& observed, const Desired& desired,
                              const compose::Project& was) const {
  for (ObservedContainer& c : observed.containers) {
    auto wanted = desired.config_hash.find(c.service);
    if (wanted == desired.config_hash.end() || wanted->second == c.config_hash) continue;
    auto changes = compose::changes(replicas_.at(c.name)->service(), was,
                                    model_.services.at(c.service), model_);
    if (changes.empty() && compose::is_of_another_version(c.config_hash)) {
      c.config_hash = wanted->second;
    } else {
      c.change = change_text(changes);
    }
  }
}

Task<> Supervisor::reserve_ports(const Plan& plan, netns::Conflict conflict,
                                 ProgressSink& progress) {
  for (const Node& node : plan.nodes) {
    const auto* start = std::get_if<StartContainer>(&node.operation);
    if (start == nullptr) continue;
    auto existing = replicas_.find(start->replica.name);
    auto service = described(start->replica);
    if (!service && existing == replicas_.end()) continue;
    Replica* before = existing == replicas_.end() ? nullptr : existing->second.get();
    const compose::Service& wanted = service ? *service : before->service();
    std::vector<MovedPort> moved;
    try {
      moved = co_await ports_.reserve(start->replica.name, wanted, conflict, [&](const auto& port) {
        if (before != nullptr) before->unsplice(port);
      });
    } catch (const Error&) {
      if (before != nullptr && before->is_up()) tasks_.spawn(before->splice_ports());
      throw;
    }
    for (const MovedPort& m : moved) {
      progress.line({{"warning", fmt::format("port {} is in use: {} is published on {} instead",
                                             m.wanted, m.container, m.taken)}});
    }
  }
}

void Supervisor::remember(const compose::Project& project) {
  model_ = project;
  std::string files;
  for (const std::string& f : project.config_files) files += (files.empty() ? "" : ",") + f;
  store_.put(ProjectRow{project.name, json::serialize(compose::to_json(project)),
                        project.working_dir, files});
}

Task<> Supervisor::run_plan(const Plan& plan, ProgressSink& progress) {
  PlanProgress sink(progress);
  starting_.clear();
  creating_.clear();
  inherited_volumes_.clear();
  warnings_.clear();
  for (const Node& node : plan.nodes) {
    const auto* create = std::get_if<CreateContainer>(&node.operation);
    if (create != nullptr) creating_.insert(create->replica.name);
    const auto* start = std::get_if<StartContainer>(&node.operation);
    if (start != nullptr && model_.services.contains(start->replica.service))
      starting_.insert(start->replica.name);
  }
  Execution execution(context_.executor, plan, *this, sink, parallel_);
  execution_ = &execution;
  ExecutionResult result = co_await execution.run();
  execution_ = nullptr;
  for (const auto& [name, id] : std::exchange(replaced_, {})) store_.remove_container(id);
  store_.flush();
  co_await unpark();
  for (const std::string& text : warnings_) progress.line({{"warning", text}});
  std::set<std::string> reasons;
  for (const std::string& name : starting_) {
    auto r = replicas_.find(name);
    if (r == replicas_.end()) continue;
    if (!r->second->warning().empty())
      progress.line({{"warning", "container " + name + " " + r->second->warning()}});
    const std::string& reason = r->second->storage_reason();
    if (!reason.empty() && reasons.insert(reason).second)
      progress.line({{"warning", "container " + name + " " + reason}});
  }
  for (const std::string& text : further_failures(result.failures))
    progress.line({{"error", text}});
  if (!result.failures.empty()) std::rethrow_exception(result.failures.front());
  bool cut = std::any_of(result.outcomes.begin(), result.outcomes.end(),
                         [](Outcome o) { return o == Outcome::pending; });
  if (cut) throw Error("cancelled").exit_code(130);
}

// What was prepared for a start that did not come must not wait for ever.
Task<> Supervisor::unpark() {
  for (auto& [name, r] : replicas_) co_await r->unpark();
}

void Supervisor::cancel_command() {
  if (execution_ != nullptr) execution_->cancel();
}

Task<> Supervisor::run_in_time(const Plan& plan, ProgressSink& progress,
                               std::optional<Duration> limit) {
  if (!limit) co_return co_await run_plan(plan, progress);
  bool late = false;
  auto watchdog = [](Duration wait, bool& expired, Supervisor& s) -> Task<> {
    co_await sleep_for(wait);
    expired = true;
    s.cancel_command();
  };
  TaskGroup timer(context_.executor);
  timer.spawn(watchdog(*limit, late, *this));
  std::exception_ptr failure;
  try {
    co_await run_plan(plan, progress);
  } catch (...) {
    failure = std::current_exception();
  }
  timer.cancel();
  co_await timer.join();
  if (late) {
    auto waited = std::chrono::duration_cast<std::chrono::seconds>(*limit).count();
    throw Error(fmt::format("application not healthy after {}s", waited));
  }
  if (failure) std::rethrow_exception(failure);
}

// `planner` sees model_ as it is wanted.
Task<> Supervisor::bring_up(const json::object& request, ProgressSink& progress,
                            const Planner& planner) {
  compose::Project wanted = compose::project_from_json(request.at("project"));
  grace_ = seconds(request, "timeout");
  parallel_ = limit_of(request);
  bool dry = flag(request, "dry_run");
  // Theirs only once the plan is known to be possible: a restart until then reads the old ones.
  Materials materials([](const std::string&, int) {});
  put_values(request, materials);
  if (hash_key_.empty()) hash_key_ = hash_key(context_.roots.state);
  compose::Project before = model_;
  model_ = wanted;
  Plan plan;
  try {
    check_runtimes(model_);
    if (model_.pod) {
      check_pod(model_, image_ports());
      for (auto& [name, service] : model_.services) {
        service.network_mode = "pod";
        if (model_.pod_pid && service.pid.empty()) service.pid = "pod";
      }
      wanted = model_;
    }
    Observed observed = co_await observe();
    Desired desired_state = desired(materials);
    note_changes(observed, desired_state, before);
    plan = planner(desired_state, observed);
    auto conflict =
        flag(request, "auto_ports") ? netns::Conflict::next_free : netns::Conflict::refuse;
    if (!dry) co_await reserve_ports(plan, conflict, progress);
  } catch (...) {
    model_ = std::move(before);  // nothing was touched
    throw;
  }
  if (dry) {
    model_ = std::move(before);
    progress.line({{"plan", plan.str()}, {"steps", to_json(plan)}});
    co_return;
  }
  put_values(request, materials_);
  remember(wanted);
  if (shared_ && replicas_.empty()) {
    for (const std::string& text : engine::rootless::shortcomings())
      progress.line({{"warning", text}});
  }
  struct Listening {
    ProgressSink*& slot;
    ~Listening() { slot = nullptr; }
  } listening{listener_of_events_};
  if (flag(request, "events")) listener_of_events_ = &progress;
  co_await run_in_time(plan, progress, seconds(request, "wait_timeout"));
}

void Supervisor::tell_of_orphans(const Observed& observed, const json::object& request,
                                 ProgressSink& progress) const {
  if (flag(request, "remove_orphans") || flag(request, "ignore_orphans")) return;
  std::string names;
  for (const auto& c : orphans(model_, observed)) names += (names.empty() ? "" : ", ") + c.name;
  if (names.empty()) return;
  progress.line({{"warning", "found orphan containers (" + names +
                                 ") for this project; --remove-orphans removes them"}});
}

Task<> Supervisor::up(const json::object& request, ProgressSink& progress) {
  CommandTurn turn(*this);
  co_await turn.take(progress);
  UpOptions options;
  options.services = strings(request, "services");
  options.with_dependencies = !flag(request, "no_deps");
  if (flag(request, "force_recreate")) options.recreate = Recreate::force;
  if (flag(request, "no_recreate")) options.recreate = Recreate::never;
  options.recreate_dependencies = flag(request, "always_recreate_deps");
  options.new_volumes = flag(request, "renew_anon_volumes");
  options.remove_orphans = flag(request, "remove_orphans");
  options.all_resources = flag(request, "all_resources");
  options.start = !flag(request, "no_start");
  options.wait = flag(request, "wait");
  options.rerun_jobs = flag(request, "rerun_jobs");
  co_await bring_up(request, progress, [&](const Desired& desired, const Observed& observed) {
    tell_of_orphans(observed, request, progress);
    return plan_up(model_, desired, observed, options);
  });
}

Task<> Supervisor::down(const json::object& request, ProgressSink& progress) {
  CommandTurn turn(*this);
  co_await turn.take(progress);
  DownOptions options;
  options.services = strings(request, "services");
  options.volumes = flag(request, "volumes");
  options.remove_orphans = flag(request, "remove_orphans");
  options.scope = scope_of(request);
  if (options.scope) require_in_scope(*options.scope, options.services);
  grace_ = seconds(request, "timeout");
  parallel_ = limit_of(request);
  Observed observed = co_await observe();
  Plan plan = plan_down(model_, observed, options);
  if (flag(request, "dry_run")) {
    progress.line({{"plan", plan.str()}, {"steps", to_json(plan)}});
    co_return;
  }
  if (plan.empty() && observed.networks.empty())
    progress.line({{"warning", "no resource found to remove for project \"" + model_.name + "\""}});
  if (options.services.empty()) tell_of_kept_networks(plan, observed, progress);
  co_await run_plan(plan, progress);
  inherited_volumes_.clear();
  if (replicas_.empty()) store_.remove_project(context_.project);
}

Task<> Supervisor::upgrade(ProgressSink& progress) {
  CommandTurn turn(*this);
  co_await turn.take(progress);
  store_.flush();
  keeper_->upgrade();
  upgrading_ = true;
}

void Supervisor::kill_all(const std::vector<std::string>& services) {
  for (auto& [name, r] : replicas_) {
    if (services.empty() || std::ranges::find(services, r->row().service) != services.end())
      r->kill();
  }
}

void Supervisor::require_services(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    bool known = model_.services.contains(name) || model_.disabled_services.contains(name) ||
                 std::any_of(replicas_.begin(), replicas_.end(),
                             [&](const auto& r) { return r.second->row().service == name; });
    if (!known) throw Error("no such service: " + name);
  }
}

// What ran before the machine went down, and is to run again.
void Supervisor::keep_promised(Observed& observed) const {
  std::erase_if(observed.containers, [&](const ObservedContainer& c) {
    const Replica& r = *replicas_.at(c.name);
    return r.row().boot == boot_id() || r.row().started_ns == 0 ||
           !starts_at_boot(r.service().restart, r.row().stopped_by_user);
  });
}

Task<> Supervisor::life(const std::string& verb, const json::object& request,
                        ProgressSink& progress) {
  CommandTurn turn(*this);
  co_await turn.take(progress);
  grace_ = seconds(request, "timeout");
  parallel_ = limit_of(request);
  auto services = strings(request, "services");
  auto scope = scope_of(request);
  if (verb == "kill" && flag(request, "remove_orphans")) scope.reset();
  if (scope)
    require_in_scope(*scope, services);
  else
    require_services(services);
  Observed observed = within(scope, co_await observe());
  if (flag(request, "promised")) keep_promised(observed);
  Plan plan;
  if (verb == "stop") plan = plan_stop(model_, observed, services);
  if (verb == "start") plan = plan_start(model_, observed, services);
  if (verb == "restart") plan = plan_restart(model_, observed, services, !flag(request, "no_deps"));
  if (verb == "pause") plan = plan_pause(observed, services);
  if (verb == "unpause") plan = plan_unpause(observed, services);
  if (verb == "rm") plan = plan_remove(model_, observed, services, flag(request, "stop"));
  if (verb == "kill")
    plan =
        plan_kill(observed, services, signal_number(std::string(request.at("signal").as_string())));
  if (verb == "start" && flag(request, "wait")) add_waits(plan);
  if (flag(request, "dry_run")) {
    progress.line({{"plan", plan.str()}, {"steps", to_json(plan)}});
    co_return;
  }
  co_await reserve_ports(plan, netns::Conflict::refuse, progress);
  if (plan.empty() && verb == "kill") progress.line({{"warning", "no container to kill"}});
  co_await run_in_time(plan, progress, seconds(request, "wait_timeout"));
  if (verb == "rm" && flag(request, "volumes")) inherited_volumes_.clear();
  for (const Node& node : plan.nodes) {
    const auto* start = std::get_if<StartContainer>(&node.operation);
    if (verb == "restart" && start != nullptr) replica(start->replica).tell_restarted();
  }
}

}  // namespace pcompose::scheduler
