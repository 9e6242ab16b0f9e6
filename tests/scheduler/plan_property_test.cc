// Random projects in random states: whatever a plan says can be done in any order it allows, leads
// to what was wanted, and leaves nothing for a second plan.
#include <algorithm>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "compose/graph.h"
#include "tests/scheduler/simulated_engine.h"

namespace pcompose::scheduler {
namespace {

using compose::Condition;

constexpr int kRounds = 10000;

class Situation {
 public:
  explicit Situation(unsigned seed) : random(seed) {
    project.name = "p";
    for (const char* key : {"front", "back", "far"})
      project.networks[key] = {.key = key, .name = std::string("p_") + key};
    project.networks["far"].external = true;
    project.volumes["data"] = {.key = "data", .name = "p_data"};
    int count = 1 + pick(6);
    for (int i = 0; i < count; ++i) add_service(i);
    observe();
  }

  int pick(int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }
  bool chance(int percent) { return pick(100) < percent; }

  UpOptions options() {
    UpOptions out;
    if (chance(30)) {
      for (const auto& [name, s] : project.services) {
        if (chance(40)) out.services.push_back(name);
      }
    }
    if (chance(20)) out.recreate = chance(50) ? Recreate::force : Recreate::never;
    out.recreate_dependencies = chance(10);
    out.remove_orphans = chance(30);
    out.wait = chance(30);
    return out;
  }

  std::mt19937 random;
  compose::Project project;
  Desired desired;
  Observed observed;

 private:
  void add_service(int i) {
    std::string name = std::string(1, static_cast<char>('a' + i));
    compose::Service& s = project.services[name];
    s.name = name;
    s.scale = chance(70) ? 1 : pick(4);
    for (const auto& [key, network] : project.networks) {
      if (chance(40)) s.networks.push_back({.network = key});
    }
    if (chance(30)) s.volumes.push_back({.source = "data", .target = "/data"});
    for (int j = 0; j < i; ++j) {
      if (!chance(35)) continue;
      std::string other(1, static_cast<char>('a' + j));
      auto condition = chance(50)          ? Condition::service_started
                       : jobs_.contains(j) ? Condition::service_completed_successfully
                                           : Condition::service_healthy;
      s.depends_on.push_back({.service = other,
                              .condition = condition,
                              .restart = chance(30),
                              .required = !chance(15)});
    }
    if (chance(25)) jobs_.insert(i);
    desired.config_hash[name] = "h";
    desired.image_id[name] = "i";
  }

  void observe() {
    if (chance(20)) return;  // nothing yet
    for (const auto& [key, network] : project.networks) {
      if (network.external || !chance(70)) continue;
      observed.networks.insert(network.name);
      if (chance(10)) observed.changed_networks[network.name] = "the subnet";
    }
    observed.volumes.insert("p_data");
    auto services = project.services;
    if (chance(20)) services["gone"].name = "gone";
    for (const auto& [name, service] : services) {
      int number = 0;
      for (int i = pick(4); i > 0; --i) add_container(name, number += 1 + pick(2));
    }
  }

  void add_container(const std::string& service, int number) {
    ObservedContainer c;
    c.service = service;
    c.number = number;
    c.name = fmt::format("p-{}-{}", service, number);
    c.config_hash = chance(80) ? "h" : "other";
    c.image_id = chance(90) ? "i" : "other";
    c.status = static_cast<Status>(pick(5));
    c.exit_code = chance(50) ? 0 : 1;
    c.health = is_up(c) && chance(50) ? Health::healthy : Health::none;
    observed.containers.push_back(c);
  }

  std::set<int> jobs_;
};

// What a selected service has to be after `up`.
std::string shortfall(const Situation& s, const Observed& after, const UpOptions& options) {
  auto selected =
      compose::ServiceGraph(s.project).selection(options.services, compose::Dependencies::with);
  for (const std::string& name : selected) {
    int count = 0;
    for (const auto& c : after.containers) {
      if (c.service != name) continue;
      ++count;
      bool done = c.status == Status::exited && c.exit_code == 0 && is_job(s.project, name);
      if (!done && c.status != Status::running && c.status != Status::restarting)
        return c.name + " is " + status_name(c.status);
      if (options.recreate != Recreate::never && (c.config_hash != "h" || c.image_id != "i"))
        return c.name + " is an old one";
    }
    if (count != s.project.services.at(name).scale)
      return fmt::format("{} has {} containers", name, count);
  }
  for (const auto& c : after.containers) {
    if (c.service == "gone" && options.remove_orphans) return "the orphan is left";
  }
  return "";
}

std::string text(const Situation& s) {
  std::string out;
  for (const auto& [name, service] : s.project.services) {
    out += fmt::format("{} x{}:", name, service.scale);
    for (const auto& d : service.depends_on)
      out += fmt::format(" {}/{}{}{}", d.service, static_cast<int>(d.condition),
                         d.restart ? " restart" : "", d.required ? "" : " optional");
    out += "\n";
  }
  for (const auto& c : s.observed.containers)
    out += fmt::format("{} {} {} {} {}\n", c.name, status_name(c.status), c.exit_code,
                       c.config_hash, c.image_id);
  return out;
}

TEST(PlanProperties, UpLeadsToWhatIsWantedAndASecondOneIsEmpty) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    Situation s(seed);
    UpOptions options = s.options();
    // Who is not selected starts again as it was, whatever its dependencies do.
    if (!options.services.empty()) s.observed.changed_networks.clear();
    Plan plan = plan_up(s.project, s.desired, s.observed, options);
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, text(s), plan.str()));
    SimulatedEngine engine(s.project, s.desired, s.observed);
    ASSERT_NO_THROW(engine.run(plan, s.random));
    ASSERT_EQ(shortfall(s, engine.observed(), options), "");
    UpOptions again = options;
    again.wait = false;
    if (again.recreate == Recreate::force) again.recreate = Recreate::diverged;
    ASSERT_EQ(plan_up(s.project, s.desired, engine.observed(), again).str(), "");
  }
}

TEST(PlanProperties, ANodeComesAfterWhatItWaitsFor) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    Situation s(seed);
    Plan plan = plan_up(s.project, s.desired, s.observed, s.options());
    for (NodeId id = 0; id < plan.nodes.size(); ++id) {
      for (NodeId before : plan.nodes[id].after) ASSERT_LT(before, id) << plan.str();
    }
  }
}

TEST(PlanProperties, DownLeavesNothing) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    Situation s(seed);
    Plan plan = plan_down(s.project, s.observed, {.services = {}, .volumes = true});
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, text(s), plan.str()));
    SimulatedEngine engine(s.project, s.desired, s.observed);
    ASSERT_NO_THROW(engine.run(plan, s.random));
    Observed after = engine.observed();
    ASSERT_TRUE(after.containers.empty() && after.networks.empty() && after.volumes.empty());
  }
}

TEST(PlanProperties, StopAndRestart) {
  for (unsigned seed = 0; seed < kRounds; ++seed) {
    Situation s(seed);
    UpOptions everything;
    SimulatedEngine engine(s.project, s.desired, s.observed);
    Plan first = plan_up(s.project, s.desired, s.observed, everything);
    ASSERT_NO_THROW(engine.run(first, s.random)) << text(s) << first.str();
    Observed up = engine.observed();
    Plan restart = plan_restart(s.project, up, {}, true);
    SCOPED_TRACE(fmt::format("seed {}\n{}{}", seed, text(s), restart.str()));
    bool strays = !orphans(s.project, up).empty();
    if (!strays) ASSERT_NO_THROW(engine.run(restart, s.random));
    Plan stop = plan_stop(s.project, engine.observed(), {});
    ASSERT_NO_THROW(engine.run(stop, s.random));
    ASSERT_TRUE(std::ranges::none_of(engine.observed().containers, is_up));
    ASSERT_TRUE(plan_stop(s.project, engine.observed(), {}).empty());
  }
}

}  // namespace
}  // namespace pcompose::scheduler
