// Random plans on the real engine: what it leaves is what the simulated engine of
// tests/scheduler leaves. Each starts from what the one before left, and from what was done to
// that. PCOMPOSE_PLANS_SEED repeats a run.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/database.h"
#include "base/roots.h"
#include "compose/config_hash.h"
#include "compose/json.h"
#include "compose/load.h"
#include "netns/network_store.h"
#include "scheduler/state_store.h"
#include "tests/scenario/stack.h"
#include "tests/scheduler/simulated_engine.h"
#include "volumes/volumes.h"

namespace pcompose::test {
namespace {

using scheduler::Observed;
using scheduler::Status;

constexpr int kPlans = 50;  // PCOMPOSE_PLANS for another number

// One service of a random file.
struct Wish {
  bool job = false;
};

class PlansTest : public StackTest {
 protected:
  PlansTest() {
    const char* seed = std::getenv("PCOMPOSE_PLANS_SEED");
    seed_ = seed == nullptr ? 1 : static_cast<unsigned>(std::strtoul(seed, nullptr, 10));
    random_.seed(seed_);
  }

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  bool chance(int percent) { return pick(100) < percent; }

  static std::string name_of(int i) { return {static_cast<char>('a' + i)}; }

  std::string dependencies(int i, std::vector<Wish>& wishes) {
    std::string out;
    for (int j = 0; j < i; ++j) {
      if (!chance(35)) continue;
      const char* condition = "service_started";
      if (wishes[static_cast<size_t>(j)].job)
        condition = "service_completed_successfully";
      else if (chance(50))
        condition = "service_healthy";
      out += fmt::format("      {}: {{condition: {}, restart: {}, required: {}}}\n", name_of(j),
                         condition, chance(30), !chance(15));
    }
    return out.empty() ? "" : "    depends_on:\n" + out;
  }

  std::string random_file() {
    std::vector<Wish> wishes(static_cast<size_t>(1 + pick(6)));
    std::string out = "services:\n";
    for (size_t i = 0; i < wishes.size(); ++i) {
      std::string name = name_of(static_cast<int>(i));
      wishes[i].job = name == "b" || name == "d";  // always: one that was kept is waited for
      out += fmt::format("  {}:\n    image: busybox\n    stop_signal: SIGKILL\n", name);
      out += wishes[i].job ? "    command: 'true'\n"
                           : "    command: sleep 1000\n"
                             "    healthcheck: {test: [CMD, 'true'], interval: 1s}\n";
      out += fmt::format("    environment: {{VERSION: '{}'}}\n", chance(75) ? 0 : pick(3));
      out += fmt::format("    scale: {}\n", chance(70) ? 1 : pick(4));
      out += chance(50) ? "    networks: [front]\n" : "    networks: [front, back]\n";
      if (chance(30)) out += "    volumes: [data:/data]\n";
      out += dependencies(static_cast<int>(i), wishes);
    }
    return out + "networks: {front: {}, back: {}}\nvolumes: {data: {}}\n";
  }

  compose::Project project() {
    compose::LoadOptions options = compose::options_from_process();
    options.working_directory = directory_;
    options.environment.erase("PWD");
    return compose::load(options, compose::DiskFiles());
  }

  // As the supervisor sees it: rows, with hashes of today.
  Observed observed(const compose::Project& project) {
    Roots roots = Roots::from_environment();
    Database database(roots.database());
    Observed out;
    scheduler::StateStore store(database, boot_id());
    for (const auto& row : store.containers(project.name)) {
      auto service = compose::service_from_json(json::parse(row.service_json));
      if (service.command == kTrue) jobs_.insert(row.id);
      out.containers.push_back({row.id,
                                row.service,
                                row.number,
                                row.name,
                                compose::config_hash(service, project, ""),
                                "i",
                                row.status,
                                row.exit_code,
                                row.health,
                                "",
                                row.one_off,
                                row.mounted_images,
                                {},
                                {}});
    }
    for (const auto& n : netns::NetworkStore(database, boot_id()).networks_of(project.name))
      out.networks.insert(n.name);
    for (const auto& v : volumes::VolumeStore(database, roots).of_project(project.name))
      out.volumes.insert(v.name);
    return out;
  }

  static scheduler::Desired desired(const compose::Project& project) {
    scheduler::Desired out;
    for (const auto& [name, service] : project.services) {
      out.config_hash[name] = compose::config_hash(service, project, "");
      out.image_id[name] = "i";
    }
    return out;
  }

  // Kills, stops, pauses and removes, so that `up` finds all kinds of things.
  void disturb(const Observed& before) {
    for (const auto& c : before.containers) {
      if (chance(60)) continue;
      const std::vector<std::vector<std::string>> ways = {
          {"stop", "-t", "0", c.service},
          {"kill", c.service},
          {"pause", c.service},
          {"rm", "-sf", c.service},
          {"up", "-d", "--no-start", "--no-deps", "--force-recreate", c.service}};
      pcompose(ways[static_cast<size_t>(pick(static_cast<int>(ways.size())))]);
    }
  }

  // Signals and jobs take their time: until two looks are alike and nothing is on its way.
  Observed settled(const compose::Project& project) {
    Observed out;
    std::string last = "none yet";
    eventually([&] {
      out = observed(project);
      std::string now = text(out, project, out);
      bool working = std::ranges::any_of(out.containers, [&](const auto& c) {
        return c.status == Status::running && is_job(project, c);
      });
      return std::exchange(last, now) == now && !working;
    });
    return out;
  }

  // By what it was made from, or will be.
  bool is_job(const compose::Project& project, const scheduler::ObservedContainer& c) const {
    if (!c.id.empty()) return jobs_.contains(c.id);
    return project.services.at(c.service).command == kTrue;
  }

  // What both engines have to agree on. A job that nobody waits for may run, or have ended.
  std::string text(const Observed& state, const compose::Project& project,
                   const Observed& before) const {
    std::string out;
    for (const auto& c : state.containers) {
      auto same = std::ranges::find(before.containers, c.id, &scheduler::ObservedContainer::id);
      bool kept = !c.id.empty() && same != before.containers.end();
      bool job = is_job(project, c);
      bool over = c.status == Status::running || (c.status == Status::exited && c.exit_code == 0);
      std::string status = job && over ? "a job" : scheduler::status_name(c.status);
      out += fmt::format("{} {} {}\n", c.name, status, kept ? "kept" : "new");
    }
    return out + fmt::format("networks {}\nvolumes {}\n", fmt::join(state.networks, " "),
                             fmt::join(state.volumes, " "));
  }

  // The command line and what the planner is told are the same.
  std::vector<std::string> random_options(const compose::Project& project,
                                          scheduler::UpOptions& options) {
    std::vector<std::string> line = {"up", "-d"};
    if (chance(20)) {
      bool force = chance(50);
      options.recreate = force ? scheduler::Recreate::force : scheduler::Recreate::never;
      line.emplace_back(force ? "--force-recreate" : "--no-recreate");
    }
    options.remove_orphans = chance(30);
    if (options.remove_orphans) line.emplace_back("--remove-orphans");
    if (!chance(30)) return line;
    for (const auto& [name, service] : project.services) {
      if (!chance(40)) continue;
      options.services.push_back(name);
      line.push_back(name);
    }
    return line;
  }

  void round(int number) {
    compose(random_file());
    compose::Project wanted = project();
    disturb(observed(wanted));
    Observed before = settled(wanted);
    scheduler::UpOptions options;
    auto line = random_options(wanted, options);
    auto hashes = desired(wanted);
    scheduler::Plan plan = plan_up(wanted, hashes, before, options);
    SCOPED_TRACE(fmt::format("round {} of seed {}\n{}\n{}\n{}", number, seed_,
                             read_file(file("compose.yaml")), text(before, wanted, before),
                             plan.str()));
    scheduler::SimulatedEngine simulated(wanted, hashes, before);
    ASSERT_NO_THROW(simulated.run(plan, random_));
    Result up = pcompose(line);
    ASSERT_EQ(up.code, 0) << fmt::format("{}", fmt::join(line, " ")) << "\n" << up.err;
    EXPECT_EQ(text(settled(wanted), wanted, before), text(simulated.observed(), wanted, before));
  }

  inline static const std::vector<std::string> kTrue = {"true"};
  std::mt19937 random_;
  unsigned seed_ = 0;
  std::set<std::string> jobs_;  // ids
};

TEST_F(PlansTest, TheRealEngineEndsWhereTheSimulatedOneDoes) {
  std::cout << "seed " << seed_ << std::endl;
  const char* many = std::getenv("PCOMPOSE_PLANS");
  int plans = many == nullptr ? kPlans : std::atoi(many);
  for (int i = 0; i < plans && !HasFailure(); ++i) round(i);
}

}  // namespace
}  // namespace pcompose::test
