// kill -9 of each of our processes at any time.
#include <csignal>
#include <cstdlib>
#include <random>

#include "base/database.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class KillTest : public StackTest {
 protected:
  void kill_supervisor() {
    pid_t pid = 0;
    ASSERT_TRUE(eventually([&] { return (pid = supervisor()) != 0; }));
    Pidfd::open(pid).send_signal(SIGKILL);
  }
};

TEST_F(KillTest, NoLogLineIsLostOrRepeatedOverFiftyKills) {
  ::setenv("PCOMPOSE_LOG_MAX_BYTES", "1000000000", 1);
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'n=1; while [ ! -e /out/stop ]; do seq $$n $$((n+9999)); n=$$((n+10000)); done; echo end'
    volumes: [./out:/out]
)");
  expect(0, {"up", "-d"});
  for (int i = 0; i < 50; ++i) {
    kill_supervisor();
    ::usleep(static_cast<useconds_t>(1000 + (i * 7919) % 20000));
  }
  EXPECT_EQ(state("w"), "running");
  write("out/stop", "");
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }, std::chrono::seconds(60)));
  auto all = lines("w");
  ::unsetenv("PCOMPOSE_LOG_MAX_BYTES");
  ASSERT_GT(all.size(), 10000U);
  EXPECT_EQ(all.back(), "end");
  for (size_t i = 0; i + 1 < all.size(); ++i) ASSERT_EQ(all[i], std::to_string(i + 1));
}

TEST_F(KillTest, AContainerThatEndsWhileNoSupervisorLivesKeepsItsLastWordsAndCode) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sh -c 'sleep 0.3; echo last words; exit "
      "7'\n");
  expect(0, {"up", "-d"});
  // Kill it so often that some kill meets the end.
  for (int i = 0; i < 20; ++i) {
    if (pid_t pid = supervisor(); pid != 0) Pidfd::open(pid).send_signal(SIGKILL);
    ::usleep(30000);
  }
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 7);
  EXPECT_TRUE(eventually([&] { return lines("w") == std::vector<std::string>{"last words"}; }));
}

TEST_F(KillTest, ContainersHealthRestartAndNamesGoOn) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'while :; do sleep 0.1; done'
    healthcheck: {test: "test -e /out/ok", interval: 200ms, retries: 1}
    volumes: [./out:/out]
  flaky:
    image: busybox
    command: sh -c 'sleep 0.2; exit 1'
    restart: always
  asker:
    image: busybox
    command: sh -c 'while :; do nslookup db >/dev/null || echo failed; done'
    stop_grace_period: 0s
    depends_on: [db]
)");
  write("out/ok", "");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return health("db") == "healthy"; }));
  for (int i = 0; i < 10; ++i) {
    kill_supervisor();
    ::usleep(100000);
  }
  write("out/bad", "");
  ::unlink(file("out/ok").c_str());
  EXPECT_TRUE(eventually([&] { return health("db") == "unhealthy"; }, std::chrono::seconds(3)));
  EXPECT_TRUE(eventually([&] { return state("flaky") == "running"; }, std::chrono::seconds(10)));
  EXPECT_EQ(lines("asker"), std::vector<std::string>{});
}

TEST_F(KillTest, TheKeeperIsReplaced) {
  compose(R"(services:
  w: {image: busybox, command: sh -c 'while :; do echo tick; sleep 0.1; done', stop_grace_period: 0s}
  job: {image: busybox, command: sh -c 'sleep 1; exit 5'}
)");
  expect(0, {"up", "-d"});
  pid_t first = keeper();
  ASSERT_NE(first, 0);
  Pidfd::open(first).send_signal(SIGKILL);
  ASSERT_TRUE(eventually([&] { return keeper() != 0 && keeper() != first; }));
  EXPECT_EQ(state("w"), "running");
  EXPECT_EQ(expect(0, {"exec", "-T", "w", "echo", "works"}).out, "works\n");
  ASSERT_TRUE(eventually([&] { return state("job") == "exited"; }));
  EXPECT_EQ(ps()["job"].at("ExitCode").as_int64(), 5);
  kill_supervisor();
  EXPECT_TRUE(
      eventually([&] { return pcompose({"exec", "-T", "w", "echo", "works"}).out == "works\n"; }));
}

TEST_F(KillTest, BothKilledTheNextCommandFindsTheContainers) {
  compose("services:\n  w: {image: busybox, command: sleep 1000}\n");
  expect(0, {"up", "-d"});
  // Meanwhile the supervisor starts another keeper and hands it what it holds.
  for (int milliseconds : {0, 1, 2, 4, 8, 16}) {
    Pidfd of_keeper = Pidfd::open(keeper()), of_supervisor = Pidfd::open(supervisor());
    of_keeper.send_signal(SIGKILL);
    ::usleep(static_cast<useconds_t>(milliseconds * 1000));
    of_supervisor.send_signal(SIGKILL);
    expect(0, {"up", "-d"});
    EXPECT_EQ(state("w"), "running");
    EXPECT_EQ(pcompose({"exec", "-T", "w", "nslookup", "w"}).code, 0) << "names are served";
  }
}

TEST_F(KillTest, TheNextUpFinishesWhatAKilledClientBegan) {
  compose(R"(services:
  slow: {image: busybox, command: sleep 0.3}
  w:
    image: busybox
    command: sleep 1000
    depends_on: {slow: {condition: service_completed_successfully}}
)");
  for (int delay : {1, 5, 10, 20, 40, 80}) {
    Child up = start_pcompose({"up", "-d"}, "killed");
    ::usleep(static_cast<useconds_t>(delay * 1000));
    up.pidfd().send_signal(SIGKILL);
    up.wait();
    expect(0, {"up", "-d"});
    EXPECT_EQ(state("w"), "running");
    expect(0, {"down"});
  }
}

TEST_F(KillTest, WhatAKilledClientWaitsForHoldsUpNobody) {
  compose(R"(services:
  never:
    image: busybox
    command: sleep 1000
    healthcheck: {test: "false", interval: 1s, retries: 1000}
  w:
    image: busybox
    command: sleep 1000
    depends_on: {never: {condition: service_healthy}}
)");
  Child up = start_pcompose({"up", "-d"}, "killed");
  ASSERT_TRUE(eventually([&] { return state("never") == "running"; }));
  // Another waits for its turn already; a third comes later.
  Child second = start_pcompose({"stop"}, "second");
  ASSERT_TRUE(
      eventually([&] { return read_file(file("second.err")).contains("another command"); }));
  up.pidfd().send_signal(SIGKILL);
  up.wait();
  ASSERT_TRUE(eventually([&] { return second.pidfd().ended(); }));
  EXPECT_EQ(second.wait().code(), 0) << read_file(file("second.err"));
  EXPECT_EQ(state("never"), "exited");
  Child third = start_pcompose({"up", "-d"}, "third");
  ASSERT_TRUE(eventually([&] { return state("never") == "running"; }));
  third.pidfd().send_signal(SIGKILL);
  third.wait();
  expect(0, {"down"});
}

TEST_F(KillTest, UpGoesOnWhenTheSupervisorDiesInIt) {
  compose(R"(services:
  slow: {image: busybox, command: sleep 0.3}
  w:
    image: busybox
    command: sleep 1000
    depends_on: {slow: {condition: service_completed_successfully}}
)");
  for (int delay : {5, 20, 60, 150}) {
    Child up = start_pcompose({"up", "-d"}, "going");
    ::usleep(static_cast<useconds_t>(delay * 1000));
    if (pid_t pid = supervisor(); pid != 0) Pidfd::open(pid).send_signal(SIGKILL);
    ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }));
    EXPECT_EQ(up.wait().code(), 0) << read_file(file("going.err"));
    EXPECT_EQ(state("w"), "running");
    expect(0, {"down"});
  }
}

// Wherever it dies: with one of two descriptors handed to the keeper, a network half made, …
// PCOMPOSE_KILL_ROUNDS makes it longer.
TEST_F(KillTest, UpGoesOnWhereverTheSupervisorDies) {
  const char* wanted = ::getenv("PCOMPOSE_KILL_ROUNDS");
  int rounds = wanted != nullptr ? std::atoi(wanted) : 16;
  std::minstd_rand random(static_cast<unsigned>(::getpid()));
  for (int i = 0; i < rounds; ++i) {
    compose(std::string("services:\n") + (i % 2 == 0 ? "" : "  v: {image: busybox}\n") +
            "  w: {image: busybox, command: sleep 1000, ports: ['127.0.0.1::80']}\n" +
            (i % 4 < 2 ? "" : "x-pcompose: {pod: true}\n"));
    Child up = start_pcompose({"up", "-d"}, "going");
    std::string killed;
    for (auto kills = random() % 3 + 1; kills > 0; --kills) {
      auto delay = static_cast<useconds_t>(random() % 40000);
      ::usleep(delay);
      if (pid_t pid = supervisor(); pid != 0) Pidfd::open(pid).send_signal(SIGKILL);
      killed += " after " + std::to_string(delay) + " us";
    }
    ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }, std::chrono::seconds(30)));
    ASSERT_EQ(up.wait().code(), 0) << killed << ": " << read_file(file("going.err"));
    ASSERT_EQ(state("w"), "running") << killed;
    expect(0, {"down", "-t", "0"});
  }
}

TEST_F(KillTest, AnUpgradeRecreatesOnlyWhatTheFileChanged) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sleep 1000\n    environment: {A: 1}\n");
  expect(0, {"up", "-d"});
  std::string id(ps()["w"].at("ID").as_string());
  // As an earlier version would have left it behind.
  auto forget_hash = [&] {
    Database database(root() + "/state.db");
    database.get().exec("UPDATE containers SET config_hash = 'an earlier one'");
    kill_supervisor();
  };
  forget_hash();
  expect(0, {"up", "-d"});
  EXPECT_EQ(ps()["w"].at("ID").as_string(), id);
  compose(
      "services:\n  w:\n    image: busybox\n    command: sleep 1000\n    environment: {A: 2}\n");
  Result plan = expect(0, {"--dry-run", "up", "-d"});
  EXPECT_NE(plan.out.find("environment.A (compose.yaml:6:22) changed"), std::string::npos)
      << plan.out;
  expect(0, {"up", "-d"});
  EXPECT_NE(ps()["w"].at("ID").as_string(), id);
}

}  // namespace
}  // namespace pcompose::test
