#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sstream>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class LifecycleTest : public StackTest {};

constexpr const char* kWeb = R"(services:
  web:
    image: busybox
    command: sh -c 'echo hello; echo oops >&2; exec sleep 1000'
)";

TEST_F(LifecycleTest, GoesUpAndDown) {
  compose(kWeb);
  Result up = expect(0, {"up", "-d"});
  EXPECT_NE(up.err.find("-web-1 Started"), std::string::npos) << up.err;
  EXPECT_EQ(state("web"), "running");
  ASSERT_TRUE(eventually([&] { return lines("web").size() == 2; }));
  Result down = expect(0, {"down"});
  EXPECT_NE(down.err.find("-web-1 Removed"), std::string::npos) << down.err;
  EXPECT_TRUE(ps().empty());
}

TEST_F(LifecycleTest, ASecondUpDoesNothing) {
  compose(kWeb);
  expect(0, {"up", "-d"});
  std::string id(ps()["web"].at("ID").as_string());
  EXPECT_EQ(expect(0, {"up", "-d"}).err, "");
  EXPECT_EQ(ps()["web"].at("ID").as_string(), id);
}

TEST_F(LifecycleTest, AChangedServiceIsMadeAnew) {
  compose(kWeb);
  expect(0, {"up", "-d"});
  std::string id(ps()["web"].at("ID").as_string());
  compose(std::string(kWeb) + "    environment: {DEBUG: '1'}\n");
  expect(0, {"up", "-d"});
  EXPECT_NE(ps()["web"].at("ID").as_string(), id);
  EXPECT_EQ(expect(0, {"exec", "-T", "web", "sh", "-c", "echo $DEBUG"}).out, "1\n");
}

TEST_F(LifecycleTest, DryRunChangesNothing) {
  compose(kWeb);
  Result dry = expect(0, {"up", "-d", "--dry-run"});
  EXPECT_NE(dry.out.find("DRY-RUN MODE - "), std::string::npos);
  EXPECT_NE(dry.out.find("start container"), std::string::npos);
  EXPECT_TRUE(ps().empty());
}

TEST_F(LifecycleTest, ProgressForPrograms) {
  compose("services:\n  w: {image: busybox, command: sleep 1000}\n");
  Result plan = expect(0, {"--progress", "json", "--dry-run", "up", "-d"});
  auto first = json::parse(plan.out.substr(0, plan.out.find('\n'))).as_object();
  EXPECT_TRUE(first.at("dry-run").as_bool());
  EXPECT_EQ(first.at("verb"), "create");
  EXPECT_EQ(first.at("cause"), "new");
  Result up = expect(0, {"--progress", "json", "up", "-d"});
  std::istringstream lines(up.err);
  std::vector<std::string> texts;
  for (std::string line; std::getline(lines, line);)
    texts.emplace_back(json::parse(line).at("text").as_string());
  EXPECT_EQ(texts.back(), "Started");
  ::setenv("COMPOSE_PROGRESS", "json", 1);
  Result failed = expect(1, {"stop", "nobody"});
  ::unsetenv("COMPOSE_PROGRESS");
  EXPECT_TRUE(json::parse(failed.err).at("error").as_bool()) << failed.err;
}

TEST_F(LifecycleTest, ReplicasScaleUpAndDown) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, scale: 3}\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"ps", "-q"}).out.size(), 3U * 65U);
  compose("services:\n  w: {image: busybox, command: sleep 1000, scale: 1}\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"ps", "-q"}).out.size(), 65U);
}

TEST_F(LifecycleTest, OrphansAreNamedAndRemovedOnRequest) {
  compose(
      "services:\n  a: {image: busybox, command: sleep 1000}\n  b: {image: busybox, command: sleep "
      "1000}\n");
  expect(0, {"up", "-d"});
  compose("services:\n  a: {image: busybox, command: sleep 1000}\n");
  EXPECT_NE(expect(0, {"up", "-d"}).err.find("orphan"), std::string::npos);
  EXPECT_EQ(state("b"), "running");
  expect(0, {"up", "-d", "--remove-orphans"});
  EXPECT_EQ(state("b"), "");
}

TEST_F(LifecycleTest, DownIsForWhatTheFileHas) {
  compose(R"(services:
  a: {image: busybox, command: sleep 1000}
  b: {image: busybox, command: sleep 1000}
  c: {image: busybox, command: sleep 1000, profiles: [x]}
)");
  expect(0, {"--profile", "x", "up", "-d"});
  compose(R"(services:
  a: {image: busybox, command: sleep 1000}
  c: {image: busybox, command: sleep 1000, profiles: [x]}
)");
  Result down = expect(0, {"down"});
  EXPECT_NE(down.err.find("Resource is still in use"), std::string::npos) << down.err;
  EXPECT_NE(expect(1, {"stop", "b"}).err.find("no such service: b"), std::string::npos);
  EXPECT_EQ(state("a") + state("b") + state("c"), "runningrunning");
  expect(0, {"down", "--remove-orphans"});
  EXPECT_EQ(state("b") + state("c"), "running");
  expect(0, {"--profile", "*", "down"});
  EXPECT_EQ(state("c"), "");
}

TEST_F(LifecycleTest, DownHonoursTheOrderAndTheGracePeriod) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'trap "cp /out/web /out/db; exit 0" TERM; while :; do sleep 0.05; done'
    volumes: [./out:/out]
  web:
    image: busybox
    command: sh -c 'trap "sleep 0.5; echo over > /out/web; exit 0" TERM; while :; do sleep 0.05; done'
    volumes: [./out:/out]
    depends_on: [db]
)");
  expect(0, {"up", "-d"});
  ::usleep(300000);  // until both have their traps
  expect(0, {"down"});
  // The database was still there when its client had ended.
  EXPECT_EQ(read_file(file("out/db")), "over\n");
}

TEST_F(LifecycleTest, WhoIgnoresTheSignalIsNotWaitedFor) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, stop_grace_period: 60s}\n");
  expect(0, {"up", "-d"});
  auto before = std::chrono::steady_clock::now();
  expect(0, {"down"});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(30));
}

TEST_F(LifecycleTest, MissingImagesAreNamedWithTheirPlace) {
  compose(
      "services:\n  web:\n    image: nosuch:1\n    pull_policy: never\n"
      "  db:\n    image: 127.0.0.1:1/neither\n");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:4:12: services.web.image: there is no image nosuch:1 here"),
            std::string::npos)
      << up.err;
  EXPECT_NE(up.err.find("compose.yaml:7:12: services.db.image: no connection to 127.0.0.1:1"),
            std::string::npos)
      << up.err;
}

TEST_F(LifecycleTest, AProgramThatIsMissingIsAnErrorWithItsPlace) {
  compose("services:\n  web:\n    image: busybox\n    command: nosuch\n");
  Result up = expect(127, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:3:3: "), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("exec nosuch: No such file or directory"), std::string::npos) << up.err;
}

TEST_F(LifecycleTest, WhatDiesAtStartShowsItsLastWords) {
  compose(R"(services:
  db:
    image: busybox
    command: sh -c 'echo cannot open the data directory; exit 3'
  web:
    image: busybox
    command: sleep 1000
    depends_on: {db: {condition: service_completed_successfully}}
)");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:3:3: service \"db\" didn't complete successfully: exit 3 "
                        "(container "),
            std::string::npos)
      << up.err;
  EXPECT_NE(up.err.find("cannot open the data directory"), std::string::npos) << up.err;
  EXPECT_EQ(state("web"), "created");
}

TEST_F(LifecycleTest, WaitTellsOfWhatDied) {
  // With a health check there is something to wait for.
  compose(
      "services:\n  db:\n    image: busybox\n    command: sh -c 'echo broken; exit 4'\n"
      "    healthcheck: {test: 'false', interval: 1s}\n");
  Result up = expect(1, {"up", "-d", "--wait"});
  EXPECT_NE(up.err.find("-1 exited (4)"), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("broken"), std::string::npos) << up.err;
}

TEST_F(LifecycleTest, AttachedUpStopsOnCtrlC) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'echo ready; trap "echo bye; exit 0" TERM; while :; do sleep 0.05; done'
)");
  Child up = start_pcompose({"up", "--no-color"}, "attached");
  ASSERT_TRUE(eventually(
      [&] { return read_file(file("attached.out")).find("ready") != std::string::npos; }));
  up.pidfd().send_signal(SIGINT);
  ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }));
  EXPECT_EQ(up.wait().code(), 130);
  EXPECT_EQ(read_file(file("attached.out")),
            "Attaching to w-1\nw-1  | ready\nw-1  | bye\nw-1 exited with code 0\n");
  EXPECT_EQ(state("w"), "exited");
}

TEST_F(LifecycleTest, CtrlCLeavesAloneWhatWasNotNamed) {
  compose(R"(services:
  stray: {image: busybox, command: sleep 1000}
)");
  expect(0, {"up", "-d"});
  compose(R"(services:
  db: {image: busybox, command: sleep 1000}
  w:
    image: busybox
    init: true
    command: sh -c 'echo ready; exec sleep 1000'
    depends_on: [db]
)");
  Child up = start_pcompose({"up", "w"}, "attached");
  ASSERT_TRUE(eventually(
      [&] { return read_file(file("attached.out")).find("| ready") != std::string::npos; }));
  up.pidfd().send_signal(SIGINT);
  ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }));
  EXPECT_EQ(up.wait().code(), 130);
  EXPECT_EQ(state("w"), "exited");
  EXPECT_EQ(state("db"), "running");
  EXPECT_EQ(state("stray"), "running");
}

TEST_F(LifecycleTest, AttachedUpKeepsStreamsApart) {
  compose("services:\n  w: {image: busybox, command: sh -c 'echo good; echo bad >&2'}\n");
  Result up = expect(0, {"up"});
  EXPECT_NE(up.out.find("w-1  | good\n"), std::string::npos) << up.out;
  EXPECT_EQ(up.out.find("bad"), std::string::npos) << up.out;
  EXPECT_NE(up.err.find("w-1  | bad\n"), std::string::npos) << up.err;
  EXPECT_NE(expect(0, {"logs"}).out.find("w-1  | bad\n"), std::string::npos);
}

TEST_F(LifecycleTest, AttachedUpEndsWithAContainer) {
  compose(R"(services:
  job: {image: busybox, command: sh -c 'sleep 0.3; echo tested; exit 3'}
  db: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
  chatter: {image: busybox, command: sh -c 'echo noise; sleep 1000', stop_grace_period: 0s, attach: false}
)");
  Result test = expect(3, {"up", "--abort-on-container-exit"});
  EXPECT_NE(test.out.find("tested"), std::string::npos) << test.out;
  EXPECT_NE(test.out.find("job-1 exited with code 3"), std::string::npos) << test.out;
  EXPECT_EQ(test.out.find("noise"), std::string::npos) << "attach: false";
  EXPECT_EQ(state("db") + state("chatter"), "exitedexited");
  Result again = expect(137, {"up", "--exit-code-from", "db"});
  EXPECT_EQ(again.out.find("tested"), again.out.rfind("tested")) << again.out;
  expect(137, {"up", "--exit-code-from", "chatter"});
  expect(3, {"up", "--exit-code-from", "db", "job"});  // db did not stop
  expect(3, {"up", "--abort-on-container-failure", "--no-attach", "db"});
  Result both = expect(1, {"up", "-d", "--exit-code-from", "db"});
  EXPECT_NE(both.err.find("--detach cannot be combined"), std::string::npos) << both.err;
  Result unknown = expect(1, {"up", "--exit-code-from", "nope"});
  EXPECT_NE(unknown.err.find("no such service: nope"), std::string::npos);
}

TEST_F(LifecycleTest, CtrlCTwiceKills) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sh -c 'trap \"\" TERM; echo ready; while "
      ":; do sleep 1; done'\n");
  Child up = start_pcompose({"up"}, "attached");
  ASSERT_TRUE(eventually(
      [&] { return read_file(file("attached.out")).find("ready") != std::string::npos; }));
  up.pidfd().send_signal(SIGINT);
  ASSERT_TRUE(eventually(
      [&] { return read_file(file("attached.err")).find("Gracefully") != std::string::npos; }));
  up.pidfd().send_signal(SIGINT);
  ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }, std::chrono::seconds(5)));
  EXPECT_EQ(up.wait().code(), 130);
}

TEST_F(LifecycleTest, TwoCommandsAtOnceTakeTurns) {
  compose(R"(services:
  slow:
    image: busybox
    command: sh -c 'while [ ! -e /out/go ]; do sleep 0.05; done'
    volumes: [./out:/out]
  w:
    image: busybox
    command: sleep 1000
    depends_on: {slow: {condition: service_completed_successfully}}
)");
  Child first = start_pcompose({"up", "-d"}, "first");
  ASSERT_TRUE(eventually([&] { return state("slow") == "running"; }));
  Child second = start_pcompose({"up", "-d"}, "second");
  EXPECT_TRUE(eventually([&] {
    return read_file(file("second.err")).find("another command is at work") != std::string::npos;
  })) << read_file(file("second.err"));
  write("out/go", "");
  EXPECT_EQ(first.wait().code(), 0);
  EXPECT_EQ(second.wait().code(), 0);
  EXPECT_EQ(state("w"), "running");
}

TEST_F(LifecycleTest, RestartsByPolicy) {
  compose(R"(services:
  flaky:
    image: busybox
    command: sh -c 'echo x >> /out/n; test $(wc -l < /out/n) -ge 3 && exec sleep 1000; exit 1'
    restart: on-failure
    volumes: [./out:/out]
  gone:
    image: busybox
    command: sh -c 'exit 1'
    restart: on-failure:2
)");
  expect(0, {"up", "-d"});
  // A cache may go at any time.
  std::filesystem::remove_all(root() + "/cache");
  EXPECT_TRUE(eventually(
      [&] { return state("flaky") == "running" && read_file(file("out/n")) == "x\nx\nx\n"; }));
  EXPECT_TRUE(eventually([&] { return state("gone") == "exited"; }));
}

TEST_F(LifecycleTest, ACompletedJobRunsAgainOnlyWhereItIsAskedTo) {
  compose(R"(services:
  job: {image: busybox, command: echo done}
  w:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: {job: {condition: service_completed_successfully}}
)");
  expect(0, {"up", "-d", "--wait"});
  expect(0, {"up", "-d", "--wait"});
  ASSERT_TRUE(eventually([&] { return lines("job").size() == 1; }));
  expect(0, {"up", "-d", "--wait", "--rerun-jobs"});
  EXPECT_TRUE(eventually([&] { return lines("job").size() == 2; }));
  EXPECT_EQ(state("w"), "running");
}

TEST_F(LifecycleTest, StoppedContainersStartAgainWithUp) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, restart: always}\n");
  expect(0, {"up", "-d"});
  expect(0, {"stop", "-t", "1"});
  EXPECT_EQ(state("w"), "exited");
  expect(0, {"up", "-d"});
  EXPECT_EQ(state("w"), "running");
}

TEST_F(LifecycleTest, ADependentRestartsWhereItsDependencyIsMadeAnew) {
  auto file = [](const char* variable) {
    return std::string(
               "services:\n  db:\n    image: busybox\n    command: sleep 60\n    environment: "
               "{A: ") +
           variable +
           "}\n  web:\n    image: busybox\n    command: [sh, -c, echo up; sleep 60]\n"
           "    depends_on: {db: {condition: service_started, restart: true}}\n"
           "  other:\n    image: busybox\n    command: [sh, -c, echo up; sleep 60]\n"
           "    depends_on: [db]\n";
  };
  compose(file("1"));
  expect(0, {"up", "-d"});
  compose(file("2"));
  expect(0, {"up", "-d", "-t", "0"});
  EXPECT_TRUE(eventually([&] { return lines("web").size() == 2; }));
  EXPECT_EQ(lines("other").size(), 1U);
}

TEST_F(LifecycleTest, AnonymousVolumesAreKeptOrMadeNew) {
  compose("services:\n  w:\n    image: busybox\n    command: sleep 60\n    volumes: [/data]\n");
  expect(0, {"up", "-d"});
  expect(0, {"exec", "-T", "w", "touch", "/data/seen"});
  expect(0, {"up", "-d", "-t", "0", "--force-recreate"});
  expect(0, {"exec", "-T", "w", "test", "-e", "/data/seen"});
  expect(0, {"up", "-d", "-t", "0", "-V"});
  expect(1, {"exec", "-T", "w", "test", "-e", "/data/seen"});
  expect(0, {"down", "-v", "-t", "0"});
  expect(0, {"system", "prune", "--volumes", "-f"});
}

TEST_F(LifecycleTest, ADependencyThatIsNotRequiredMayFail) {
  compose(
      "services:\n  job:\n    image: busybox\n    command: 'false'\n  w:\n    image: busybox\n"
      "    command: sleep 60\n    depends_on: {job: {condition: service_completed_successfully, "
      "required: false}}\n");
  Result up = expect(0, {"up", "-d"});
  EXPECT_NE(up.err.find("optional dependency \"job\" didn't complete successfully: exit 1 "),
            std::string::npos)
      << up.err;
  EXPECT_EQ(state("w"), "running");
}

TEST_F(LifecycleTest, ADependencyThatIsNotRequiredMayNotEvenStart) {
  compose(
      "services:\n  job:\n    image: busybox\n    command: /nowhere\n  w:\n    image: busybox\n"
      "    command: sleep 60\n    depends_on: {job: {condition: service_completed_successfully, "
      "required: false}}\n");
  Result up = expect(127, {"up", "-d"});
  EXPECT_NE(up.err.find("/nowhere"), std::string::npos) << up.err;
  std::string ps = expect(0, {"ps", "-a"}).out;
  EXPECT_NE(ps.find("Exited (127) "), std::string::npos) << ps;
  EXPECT_EQ(ps.find(" years ago"), std::string::npos) << ps;
  EXPECT_EQ(state("w"), "running");
}

}  // namespace
}  // namespace pcompose::test
