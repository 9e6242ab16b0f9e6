// A day of a thousand services in seconds: planner, executor, health and restart machines are the
// real ones, the engine and the time are not. PCOMPOSE_DAY_SEED repeats a run.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <ranges>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compose/graph.h"
#include "scheduler/executor.h"
#include "tests/scheduler/container_life.h"
#include "tests/scheduler/simulated_engine.h"

namespace pcompose::scheduler {
namespace {

using compose::Condition;
using compose::Restart;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

#if defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
constexpr int kServices = 100;  // a tenth of the speed
#else
constexpr int kServices = 1000;
#endif

unsigned seed_of_this_run() {
  const char* seed = std::getenv("PCOMPOSE_DAY_SEED");
  return seed == nullptr ? 1 : static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
}

// A project whose services have a nature each.
struct Stack {
  explicit Stack(World& w) : world(w) {
    project.name = "p";
    for (const char* key : {"front", "back"})
      project.networks[key] = {.key = key, .name = std::string("p_") + key};
    project.volumes["data"] = {.key = "data", .name = "p_data"};
    for (int i = 0; i < kServices; ++i) add_service(i);
    // `up` runs again what nobody waits for.
    for (auto& [name, nature] : natures) nature.job = nature.job && is_job(project, name);
  }

  static std::string name_of(int i) { return fmt::format("s{:04}", i); }

  void add_service(int i) {
    compose::Service& s = project.services[name_of(i)];
    s.name = name_of(i);
    s.scale = world.pick(20) == 0 ? 2 : 1;
    s.networks.push_back({.network = world.pick(2) == 0 ? "front" : "back"});
    if (world.pick(10) == 0) s.volumes.push_back({.source = "data", .target = "/data"});
    for (int j = 0; i > 0 && j < world.pick(4); ++j) depend(s, world.pick(i));
    Nature& n = natures[s.name];
    n.job = world.pick(20) == 0;
    n.probed = !n.job && world.pick(100) < 60;
    n.frail = !n.job && world.pick(100) < 5;
    n.restart = n.job ? compose::RestartPolicy{} : policy();
    n.health.interval = seconds(30 + 10 * world.pick(4));
    n.health.timeout = seconds(1 + world.pick(10));
    n.health.start_period = seconds(world.pick(40));
    n.health.retries = 1 + world.pick(4);
    s.restart = n.restart;
    desired.config_hash[s.name] = "0";
    desired.image_id[s.name] = "i";
  }

  void depend(compose::Service& s, int on) {
    std::string other = name_of(on);
    if (std::ranges::any_of(s.depends_on, [&](const auto& d) { return d.service == other; }))
      return;
    const Nature& n = natures[other];
    auto condition = n.job                            ? Condition::service_completed_successfully
                     : n.probed && world.pick(2) == 0 ? Condition::service_healthy
                                                      : Condition::service_started;
    s.depends_on.push_back({.service = other,
                            .condition = condition,
                            .restart = world.pick(4) == 0,
                            .required = world.pick(10) != 0});
  }

  compose::RestartPolicy policy() {
    static constexpr Restart kKinds[] = {Restart::no, Restart::on_failure, Restart::always,
                                         Restart::unless_stopped};
    Restart kind = kKinds[world.pick(4)];
    return {kind, kind == Restart::on_failure ? world.pick(5) : 0};
  }

  World& world;
  compose::Project project;
  std::map<std::string, Nature> natures;  // by service
  Desired desired;
};

class Day final : public Runtime, public EventSink {
 public:
  explicit Day(unsigned seed) {
    world.random.seed(seed);
    stack.emplace(world);
    engine.emplace(stack->project, stack->desired, Observed{});
  }

  Task<> perform(const Operation& operation) override {
    if (const auto* o = std::get_if<AwaitCondition>(&operation)) co_return co_await await(*o);
    co_await world.time.sleep(milliseconds(1 + world.pick(30)));
    if (const auto* o = std::get_if<StartContainer>(&operation)) co_return start(o->replica);
    if (const auto* o = std::get_if<StopContainer>(&operation))
      co_return co_await stop(o->replica.name);
    if (const auto* o = std::get_if<RemoveContainer>(&operation)) lives.erase(o->replica.name);
    engine->perform(operation);
  }
  void begun(const Operation&) override {}
  void ended(const Operation&, Outcome) override { ++nodes; }

  Observed observed() { return engine->observed(); }

  // False where something failed, as it may on such a day.
  Task<bool> execute(const Plan& plan) {
    ++commands;
    engine->begin(plan);
    Execution execution(world.time.executor(), plan, *this, *this);
    ExecutionResult result = co_await execution.run();
    last_failure = "";
    for (const auto& failure : result.failures) expect_its_own(failure);
    co_return result.failures.empty();
  }

  Task<bool> up() {
    co_return co_await execute(plan_up(stack->project, stack->desired, observed(), {}));
  }

  // Until one succeeds. Chance may fail some in turn, but not for ever.
  Task<> up_at_last(Duration pause) {
    for (int tries = 1; !co_await up(); ++tries) {
      if (tries == 500) throw Error("does not come up: " + last_failure);
      co_await world.time.sleep(pause);
    }
  }

  // Nothing but commands, for a day.
  Task<> live() {
    Instant end = world.time.now() + hours(24);
    co_await up_at_last(seconds(1));
    while (world.time.now() < end) {
      co_await world.time.sleep(minutes(1 + world.pick(20)));
      co_await command();
    }
    world.calm = true;
    co_await world.time.sleep(minutes(10));  // the longest backoff, and every health check's turns
    co_await up_at_last(minutes(1));
    co_await world.time.sleep(minutes(1));
    EXPECT_EQ(plan_up(stack->project, stack->desired, observed(), {}).str(), "");
    in_order = true;
    Plan stop = plan_stop(stack->project, observed(), {});
    EXPECT_TRUE(co_await execute(stop));
    for (const auto& c : observed().containers) EXPECT_FALSE(is_up(c)) << c.name;
    Plan down = plan_down(stack->project, observed(), {.services = {}, .volumes = true});
    EXPECT_TRUE(co_await execute(down));
    Observed left = observed();
    EXPECT_TRUE(left.containers.empty() && left.networks.empty() && left.volumes.empty());
  }

  World world;
  std::optional<Stack> stack;
  std::optional<SimulatedEngine> engine;
  std::map<std::string, std::unique_ptr<Life>> lives;  // by container
  long nodes = 0, commands = 0;
  std::string last_failure;  // of the last command
  bool in_order = false;     // everything stops: nobody outlives what it depends on

 private:
  // What the engine refuses is the plan's or the executor's fault.
  void expect_its_own(const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const Error& e) {
      last_failure = e.message();
    } catch (const std::exception& e) {
      ADD_FAILURE() << e.what();
    }
  }

  std::vector<std::string> some_services() {
    std::vector<std::string> out;
    for (int i = 1 + world.pick(20); i > 0; --i)
      out.push_back(Stack::name_of(world.pick(kServices)));
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
  }

  Task<> command() {
    std::vector<std::string> some = some_services();
    switch (world.pick(4)) {
      case 0:
        co_await execute(plan_restart(stack->project, observed(), some, true));
        break;
      case 1:
        co_await execute(plan_stop(stack->project, observed(), some));
        co_await world.time.sleep(seconds(world.pick(300)));
        break;
      case 2:
        for (const std::string& name : some) stack->desired.config_hash[name] += "'";
        break;
      default:
        for (const std::string& name : some)
          stack->project.services.at(name).scale = 1 + world.pick(3);
        break;
    }
    co_await up();
  }

  Life& life(const std::string& name) {
    auto it = lives.find(name);
    if (it != lives.end()) return *it->second;
    ObservedContainer& row = engine->row(name);
    return *(lives[name] = std::make_unique<Life>(world, stack->natures.at(row.service), row));
  }

  void start(const ReplicaRef& replica) {
    if (world.pick(1000) < (world.calm ? 0 : 2))
      throw Error("chance has it that it does not start");
    Life& l = life(replica.name);
    if (l.is_up()) return;
    engine->perform(StartContainer{replica});
    engine->hold(replica.service, Condition::service_started);  // however short it lives
    l.start();
  }

  Task<> stop(std::string name) {
    if (in_order) expect_nobody_needs(engine->row(name).service);
    co_await world.time.sleep(milliseconds(world.pick(10000)));
    Life& l = life(name);
    if (!l.is_up()) co_return;  // it ended by itself meanwhile
    l.stop();
    engine->forget(engine->row(name).service);
  }

  void expect_nobody_needs(const std::string& service) {
    for (const auto& [name, l] : lives) {
      const auto& needs = stack->project.services.at(engine->row(name).service).depends_on;
      bool dependent =
          std::ranges::any_of(needs, [&](const auto& d) { return d.service == service; });
      if (dependent && l->is_up()) ADD_FAILURE() << service << " stops before " << name;
    }
  }

  // As Supervisor::await_condition() has it.
  Task<> await(const AwaitCondition& operation) {
    try {
      for (const std::string& name : engine->containers_of(operation.service)) {
        if (operation.condition == Condition::service_healthy) co_await await_healthy(name);
        if (operation.condition == Condition::service_completed_successfully)
          co_await await_completed(name);
      }
    } catch (const Error&) {
      if (operation.required) throw;
      co_return;
    }
    engine->hold(operation.service, operation.condition);
  }

  Task<> await_healthy(std::string name) {
    struct Waiter {
      explicit Waiter(Life& l) : life(l) { life.add_waiter(); }
      ~Waiter() { life.remove_waiter(); }
      Life& life;
    } waiter(life(name));
    const ObservedContainer& row = engine->row(name);
    while (row.health != Health::healthy) {
      if (row.health == Health::unhealthy) throw Error(name + " is unhealthy");
      if (!waiter.life.is_up()) throw Error(name + " ended");
      co_await waiter.life.changed().wait();
    }
  }

  Task<> await_completed(std::string name) {
    Life& l = life(name);
    const ObservedContainer& row = engine->row(name);
    while (l.is_up()) co_await l.changed().wait();
    if (row.status != Status::exited || row.exit_code != 0) throw Error(name + " failed");
  }
};

TEST(Day, AThousandServicesLiveThroughIt) {
  unsigned seed = seed_of_this_run();
  std::cout << "seed " << seed << std::endl;
  auto began = std::chrono::steady_clock::now();
  Day day(seed);
  day.world.time.run(day.live());
  auto took = std::chrono::steady_clock::now() - began;
  std::cout << fmt::format(
      "{} commands, {} operations, {} starts, {} restarts, {} probes, {} turns "
      "of health in {:.1f} s\n",
      day.commands, day.nodes, day.world.starts, day.world.restarts, day.world.probes,
      day.world.turns, std::chrono::duration<double>(took).count());
  EXPECT_GT(day.world.restarts, kServices);
  EXPECT_GT(day.world.turns, kServices);
}

}  // namespace
}  // namespace pcompose::scheduler
