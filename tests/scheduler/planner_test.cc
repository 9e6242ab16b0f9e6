// Golden texts of plans: what --dry-run prints.
#include "scheduler/planner.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::scheduler {
namespace {

using compose::Condition;

class PlannerTest : public testing::Test {
 protected:
  PlannerTest() {
    project_.name = "shop";
    project_.networks["default"] = {.key = "default", .name = "shop_default"};
    project_.volumes["data"] = {.key = "data", .name = "shop_data"};
    service("db").volumes = {{.source = "data", .target = "/data"}};
    service("job").depends_on = {{.service = "db", .condition = Condition::service_healthy}};
    service("web").depends_on = {
        {.service = "job", .condition = Condition::service_completed_successfully},
        {.service = "db"}};
    for (auto& [name, s] : project_.services) {
      desired_.config_hash[name] = "h";
      desired_.image_id[name] = "i";
    }
  }
  compose::Service& service(const std::string& name) {
    auto& s = project_.services[name];
    s.name = name;
    s.networks = {{.network = "default"}};
    return s;
  }
  ObservedContainer container(const std::string& service, Status status, int number = 1) {
    return {"id",         service, number, "shop-" + service + "-" + std::to_string(number),
            "h",          "i",     status, 0,
            Health::none, "",      false,  {},
            {},           {}};
  }
  void everything_runs() {
    observed_.networks = {"shop_default"};
    observed_.volumes = {"shop_data"};
    observed_.containers = {container("db", Status::running), container("job", Status::exited),
                            container("web", Status::running)};
  }
  std::string up() { return plan_up(project_, desired_, observed_, options_).str(); }

  compose::Project project_;
  Desired desired_;
  Observed observed_;
  UpOptions options_;
};

TEST_F(PlannerTest, AnImageThatIsMountedHasChanged) {
  everything_runs();
  desired_.mounted_images["web"] = {{"tools:1", "new"}};
  std::string unknown = up();  // made before that was written down
  EXPECT_EQ(unknown.find("of a volume changed"), std::string::npos) << unknown;
  observed_.containers.back().mounted_images = {{"tools:1", "new"}};
  EXPECT_EQ(up(), unknown);
  observed_.containers.back().mounted_images = {{"tools:1", "old"}};
  EXPECT_NE(up().find("create container shop-web-1 (image tools:1 of a volume changed)"),
            std::string::npos)
      << up();
}

TEST_F(PlannerTest, FromNothing) {
  EXPECT_EQ(up(),
            "0 create network shop_default (new)\n"
            "1 create volume shop_data (new)\n"
            "2 create container shop-db-1 (new) after 0 1\n"
            "3 prepare container shop-db-1 (new) after 0 1 2\n"
            "4 start container shop-db-1 (new) after 3\n"
            "5 create container shop-job-1 (new) after 0\n"
            "6 prepare container shop-job-1 (new) after 0 5\n"
            "7 wait until db has become healthy (needed by job) after 4\n"
            "8 start container shop-job-1 (new) after 6 7\n"
            "9 create container shop-web-1 (new) after 0\n"
            "10 prepare container shop-web-1 (new) after 0 9\n"
            "11 wait until job has completed successfully (needed by web) after 8\n"
            "12 start container shop-web-1 (new) after 4 10 11\n");
}

TEST_F(PlannerTest, NothingToDo) {
  everything_runs();
  EXPECT_EQ(up(), "");
}

TEST_F(PlannerTest, AChangedServiceIsMadeAnewAndSaysWhy) {
  everything_runs();
  desired_.config_hash["web"] = "other";
  EXPECT_EQ(up(),
            "0 stop container shop-web-1 (configuration changed)\n"
            "1 remove container shop-web-1 (configuration changed) after 0\n"
            "2 create container shop-web-1 (configuration changed) after 1\n"
            "3 prepare container shop-web-1 (configuration changed) after 2\n"
            "4 wait until job has completed successfully (needed by web)\n"
            "5 start container shop-web-1 (configuration changed) after 3 4\n");
}

TEST_F(PlannerTest, TheCauseNamesWhatChanged) {
  everything_runs();
  observed_.containers[2].config_hash = "other";
  observed_.containers[2].change = "environment.DEBUG (compose.yaml:14:7) changed";
  EXPECT_TRUE(up().starts_with(
      "0 stop container shop-web-1 (environment.DEBUG (compose.yaml:14:7) changed)\n"));
}

TEST_F(PlannerTest, WhoLivesByAnothersProcessIsPreparedAfterItsStart) {
  service("web").pid = "service:db";
  std::string text = up();
  EXPECT_NE(text.find("start container shop-db-1 (new) after 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("10 prepare container shop-web-1 (new) after 0 4 9\n"), std::string::npos)
      << text;
  everything_runs();
  for (auto& c : observed_.containers) c.status = Status::exited;
  EXPECT_NE(plan_start(project_, observed_, {"db", "web"})
                .str()
                .find(" prepare container shop-web-1 (start) after 1\n"),
            std::string::npos);
}

TEST_F(PlannerTest, WhoLivesInANamespaceFollowsARecreate) {
  service("web").ipc = "service:db";
  everything_runs();
  desired_.image_id["db"] = "other";
  options_.services = {"db"};
  EXPECT_NE(up().find("remove container shop-web-1 (its ipc namespace is made anew)"),
            std::string::npos);
}

TEST_F(PlannerTest, NoRecreateKeepsWhatRuns) {
  everything_runs();
  desired_.image_id["web"] = "other";
  options_.recreate = Recreate::never;
  EXPECT_EQ(up(), "");
}

TEST_F(PlannerTest, ForceIsForTheNamedOnly) {
  everything_runs();
  options_.recreate = Recreate::force;
  options_.services = {"web"};
  std::string text = up();
  EXPECT_NE(text.find("remove container shop-web-1 (forced)"), std::string::npos);
  EXPECT_EQ(text.find("remove container shop-db-1"), std::string::npos);
}

TEST_F(PlannerTest, StartTakesWhatIsDownInOrder) {
  everything_runs();
  for (auto& c : observed_.containers) c.status = Status::exited;
  EXPECT_EQ(plan_start(project_, observed_, {"db", "web"}).str(),
            "0 prepare container shop-db-1 (start)\n"
            "1 start container shop-db-1 (start) after 0\n"
            "2 prepare container shop-job-1 (start)\n"
            "3 wait until db has become healthy (needed by job) after 1\n"
            "4 start container shop-job-1 (start) after 3 2\n"
            "5 prepare container shop-web-1 (start)\n"
            "6 wait until job has completed successfully (needed by web) after 4\n"
            "7 start container shop-web-1 (start) after 6 1 5\n");
  observed_.containers.pop_back();
  EXPECT_THROW(plan_start(project_, observed_, {"web"}), Error);
}

TEST_F(PlannerTest, RestartTakesDependentsThatAskForIt) {
  everything_runs();
  service("web").depends_on = {{.service = "db", .restart = true}};
  EXPECT_EQ(plan_restart(project_, observed_, {"db"}, true).str(),
            "0 stop container shop-web-1 (restart)\n"
            "1 stop container shop-db-1 (restart) after 0\n"
            "2 prepare container shop-db-1 (restart) after 1\n"
            "3 start container shop-db-1 (restart) after 2\n"
            "4 prepare container shop-web-1 (restart) after 0\n"
            "5 start container shop-web-1 (restart) after 3 4\n");
  EXPECT_EQ(plan_restart(project_, observed_, {"db"}, false).nodes.size(), 3U);
}

TEST_F(PlannerTest, KillPauseAndRemoveTakeWhatTheyCan) {
  everything_runs();
  observed_.containers[2].status = Status::paused;
  EXPECT_EQ(plan_kill(observed_, {}, 9).str(),
            "0 kill container shop-db-1 (kill)\n1 kill container shop-web-1 (kill)\n");
  EXPECT_EQ(plan_pause(observed_, {}).str(), "0 pause container shop-db-1 (pause)\n");
  EXPECT_EQ(plan_unpause(observed_, {}).str(), "0 unpause container shop-web-1 (unpause)\n");
  EXPECT_EQ(up(), "0 unpause container shop-web-1 (paused)\n");
  EXPECT_EQ(plan_remove(project_, observed_, {}, false).str(),
            "0 remove container shop-job-1 (rm)\n");
  EXPECT_EQ(plan_remove(project_, observed_, {"web"}, true).str(),
            "0 stop container shop-web-1 (stop)\n1 remove container shop-web-1 (rm) after 0\n");
}

TEST_F(PlannerTest, StoppedContainersAreStarted) {
  everything_runs();
  observed_.containers[2].status = Status::exited;
  EXPECT_NE(up().find("start container shop-web-1 (stopped)"), std::string::npos);
  EXPECT_EQ(up().find("create container"), std::string::npos);
}

TEST_F(PlannerTest, RunStartsWhatTheServiceNeedsAndThenTheContainer) {
  everything_runs();
  observed_.containers.erase(observed_.containers.begin());
  RunOptions options;
  options.service = service("job");
  options.service.container_name = "shop-job-run-1";
  auto run = [&] { return plan_run(project_, desired_, observed_, options).str(); };
  EXPECT_EQ(run(),
            "0 create container shop-db-1 (new)\n"
            "1 prepare container shop-db-1 (new) after 0\n"
            "2 start container shop-db-1 (new) after 1\n"
            "3 create container shop-job-run-1 (run)\n"
            "4 prepare container shop-job-run-1 (run) after 3\n"
            "5 wait until db has become healthy (needed by job) after 2\n"
            "6 start container shop-job-run-1 (run) after 4 5\n");
  options.service.depends_on.clear();  // --no-deps
  ObservedContainer made = container("job", Status::created);
  made.name = "shop-job-run-1";
  made.one_off = true;
  observed_.containers.push_back(made);
  EXPECT_EQ(run(),
            "0 prepare container shop-job-run-1 (run)\n"
            "1 start container shop-job-run-1 (run) after 0\n");
  observed_.containers.back().status = Status::running;
  EXPECT_THROW(run(), Error);
}

TEST_F(PlannerTest, WhatRunMadeIsForDownAndKillOnly) {
  everything_runs();
  ObservedContainer made = container("web", Status::running);
  made.name = "shop-web-run-1";
  made.one_off = true;
  observed_.containers.push_back(made);
  EXPECT_EQ(up(), "");
  EXPECT_EQ(plan_stop(project_, observed_, {"web"}).nodes.size(), 1U);
  EXPECT_EQ(plan_pause(observed_, {"web"}).nodes.size(), 1U);
  EXPECT_EQ(plan_restart(project_, observed_, {"web"}, true).nodes.size(), 3U);
  EXPECT_EQ(plan_kill(observed_, {"web"}, 9).nodes.size(), 2U);
  EXPECT_EQ(plan_down(project_, observed_, {}).str().find("shop-web-run-1"), std::string::npos);
  observed_.containers.back().status = Status::exited;
  options_.remove_orphans = true;
  EXPECT_EQ(up(), "0 remove container shop-web-run-1 (orphan)\n");
}

TEST_F(PlannerTest, SurplusReplicasGo) {
  everything_runs();
  observed_.containers.push_back(container("web", Status::running, 2));
  EXPECT_EQ(up(),
            "0 stop container shop-web-2 (scaled down)\n1 remove container shop-web-2 (scaled "
            "down) after 0\n");
}

TEST_F(PlannerTest, NoDependencies) {
  options_.services = {"web"};
  options_.with_dependencies = false;
  std::string text = up();
  EXPECT_EQ(text.find("db"), std::string::npos) << text;
  EXPECT_NE(text.find("start container shop-web-1"), std::string::npos);
}

TEST_F(PlannerTest, WaitAddsNodes) {
  everything_runs();
  options_.wait = true;
  EXPECT_EQ(up(),
            "0 wait until db is ready (--wait)\n1 wait until job is ready (--wait)\n"
            "2 wait until web is ready (--wait)\n");
}

TEST_F(PlannerTest, NoServiceIsAnError) {
  project_.services.clear();
  EXPECT_THROW(up(), Error);
}

TEST_F(PlannerTest, DownGoesBackwards) {
  everything_runs();
  EXPECT_EQ(plan_down(project_, observed_, {}).str(),
            "0 stop container shop-web-1 (down)\n"
            "1 stop container shop-db-1 (down) after 0\n"
            "2 remove container shop-db-1 (down) after 1\n"
            "3 remove container shop-job-1 (down)\n"
            "4 remove container shop-web-1 (down) after 0\n"
            "5 remove network shop_default (down) after 2 3 4\n");
}

TEST_F(PlannerTest, DownWithVolumes) {
  everything_runs();
  EXPECT_NE(plan_down(project_, observed_, {.services = {}, .volumes = true})
                .str()
                .find("remove volume shop_data"),
            std::string::npos);
}

TEST_F(PlannerTest, DownWorksWithoutTheModel) {
  everything_runs();
  compose::Project nothing;
  nothing.name = "shop";
  EXPECT_NE(plan_down(nothing, observed_, {}).str().find("remove container shop-db-1"),
            std::string::npos);
}

}  // namespace
}  // namespace pcompose::scheduler
