// run and attach: containers beside the replicas, clients at their terminals.
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

constexpr const char* kFile = R"(services:
  web:
    image: busybox
    command: sleep 1000
    environment: {A: '1', B: '2'}
    restart: always
    depends_on: {db: {condition: service_healthy}}
  db:
    image: busybox
    command: sh -c 'sleep 0.2; touch /ready; sleep 1000'
    healthcheck: {test: test -e /ready, interval: 1s}
  cat: {image: busybox, command: cat, stdin_open: true}
)";

class RunTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    compose(kFile);
  }
  // The rows of `ps` that `run` made.
  size_t one_offs() {
    std::string out = pcompose({"ps", "-a", "--format", "json"}).out;
    size_t count = 0;
    for (size_t at = out.find("-run-"); at != std::string::npos; at = out.find("-run-", at + 1))
      ++count;
    return count / 2;  // Name and Names
  }
};

TEST_F(RunTest, PassesStreamsAndCodeAndWaitsForWhatItNeeds) {
  Result r = expect(7, {"run", "--rm", "web", "sh", "-c", "cat; echo err >&2; exit 7"}, "input");
  EXPECT_EQ(r.out, "input");
  EXPECT_NE(r.err.find("err\n"), std::string::npos);
  EXPECT_EQ(health("db"), "healthy");
  EXPECT_EQ(state("web"), "");  // not the service itself, and --rm left nothing
  EXPECT_EQ(one_offs(), 0U);
}

TEST_F(RunTest, ManyBytesAndBinaryOnes) {
  Result r = expect(0, {"run", "--rm", "--no-deps", "-q", "web", "sh", "-c",
                        "head -c 3000000 /dev/zero; printf '\\001\\002'"});
  ASSERT_EQ(r.out.size(), 3000002U);
  EXPECT_EQ(r.out.back(), '\2');
  EXPECT_EQ(r.err, "");
  std::string big(2000000, 'x');
  EXPECT_EQ(expect(0, {"run", "--rm", "--no-deps", "-q", "web", "cat"}, big).out, big);
}

TEST_F(RunTest, OptionsGoOverTheService) {
  write("vars", "C=3\nB=file\n");
  write("sub/x", "");
  ::chmod(file("sub").c_str(), 0777);
  Result r = expect(0, {"run", "--rm", "--no-deps", "-q", "--env-from-file", "vars", "-e", "A=9",
                        "-u", "1000", "-w", "/tmp", "-v", "./sub:/here:ro", "--entrypoint", "sh -c",
                        "web", "echo $A $B $C $(id -u) $(pwd); ls /here/x; touch /here/y; true"});
  EXPECT_EQ(r.out, "9 file 3 1000 /tmp\n/here/x\n");
  EXPECT_NE(r.err.find("Read-only"), std::string::npos);
}

TEST_F(RunTest, IsListedWithAAndGoesWithTheOrphans) {
  expect(0, {"up", "-d", "db"});
  Result r =
      expect(0, {"run", "-d", "--name", "job", "--no-deps", "-l", "x=y", "web", "sleep", "1000"});
  EXPECT_EQ(r.out.size(), 65U) << r.out;
  EXPECT_EQ(expect(0, {"ps", "-q"}).out.size(), 65U);
  EXPECT_NE(expect(0, {"ps", "-a"}).out.find("job"), std::string::npos);
  std::string rows = expect(0, {"ps", "-a", "--format", "json"}).out;
  EXPECT_NE(rows.find("com.docker.compose.oneoff=True"), std::string::npos);
  // up, stop and restart are for the replicas.
  expect(0, {"up", "-d", "--wait"});
  expect(0, {"stop", "web"});
  EXPECT_NE(expect(0, {"ps", "-a"}).out.find("job"), std::string::npos);
  EXPECT_EQ(expect(0, {"exec", "-T", "web", "echo", "hi"}).out, "hi\n");  // the only one that runs
  Result taken = expect(1, {"run", "-d", "--name", "job", "--no-deps", "web", "true"});
  EXPECT_NE(taken.err.find("exists already"), std::string::npos);
  Result down = expect(0, {"down", "-t", "0"});
  EXPECT_NE(down.err.find("_default: Resource is still in use"), std::string::npos) << down.err;
  EXPECT_EQ(expect(0, {"ps", "-a", "-q"}).out.size(), 65U);
  expect(0, {"down", "-t", "0", "--remove-orphans"});
  EXPECT_EQ(expect(0, {"ps", "-a", "-q"}).out, "");
}

TEST_F(RunTest, WhatHasEndedIsAnOrphan) {
  expect(0, {"run", "--no-deps", "--name", "job", "web", "true"});
  Result told = expect(0, {"run", "--rm", "--no-deps", "web", "true"});
  EXPECT_NE(told.err.find("orphan containers (job)"), std::string::npos) << told.err;
  ::setenv("COMPOSE_IGNORE_ORPHANS", "True", 1);
  Result silent = expect(0, {"run", "--rm", "--no-deps", "web", "true"});
  ::unsetenv("COMPOSE_IGNORE_ORPHANS");
  EXPECT_EQ(silent.err.find("orphan"), std::string::npos) << silent.err;
  expect(0, {"run", "--rm", "--no-deps", "--remove-orphans", "web", "true"});
  EXPECT_EQ(expect(0, {"ps", "-a", "-q"}).out, "");
}

TEST_F(RunTest, AVariableMayStandInTheEnvFile) {
  write(".env", "WHERE=dotenv\n");
  write("other.env", "WHERE=other\n");
  std::vector<std::string> run = {"run", "--rm", "--no-deps", "-e",         "WHERE",
                                  "web", "sh",   "-c",        "echo $WHERE"};
  EXPECT_EQ(expect(0, run).out, "dotenv\n");
  run.insert(run.begin(), {"--env-file", "other.env"});
  EXPECT_EQ(expect(0, run).out, "other\n");
  ::setenv("WHERE", "shell", 1);
  EXPECT_EQ(expect(0, run).out, "shell\n");
  ::unsetenv("WHERE");
}

// What a run left behind has ended, and with it its place in the network.
TEST_F(RunTest, DownFollowsAtOnce) {
  for (int i = 0; i < 5; ++i) {
    expect(0, {"run", "--no-deps", "web", "true"});
    Result down = expect(0, {"down"});
    EXPECT_NE(down.err.find("_default Removed"), std::string::npos) << down.err;
  }
  expect(0, {"down", "--remove-orphans"});
}

TEST_F(RunTest, ATerminalNeedsOneOfOurs) {
  for (const char* flag : {"--tty", "--no-tty=false"}) {
    Result refused = expect(1, {"run", "--rm", "--no-deps", flag, "web", "true"});
    EXPECT_NE(refused.err.find("stdin is not a terminal"), std::string::npos) << refused.err;
  }
  Result without = expect(0, {"run", "--rm", "--no-deps", "-q", "-i=false", "--tty", "web", "tty"});
  EXPECT_NE(without.out.find("/dev/pts/0"), std::string::npos) << without.out;
}

TEST_F(RunTest, DryRunPrintsThePlan) {
  Result r = expect(0, {"run", "--dry-run", "--name", "job", "web", "true"});
  EXPECT_NE(r.out.find("wait until db has become healthy (needed by web)"), std::string::npos);
  EXPECT_NE(r.out.find("start container job (run)"), std::string::npos);
  EXPECT_EQ(expect(0, {"ps", "-a", "-q"}).out, "");
}

TEST_F(RunTest, WhatCannotStartOrIsMissing) {
  EXPECT_NE(expect(1, {"run", "--rm", "--no-deps", "web", "nosuch"}).err.find("nosuch"),
            std::string::npos);
  EXPECT_EQ(one_offs(), 0U);
  EXPECT_NE(expect(1, {"run", "nobody"}).err.find("nobody"), std::string::npos);
  EXPECT_NE(expect(1, {"run"}).err.find("SERVICE"), std::string::npos);
  EXPECT_NE(expect(1, {"attach", "cat"}).err.find("is not running"), std::string::npos);
}

TEST_F(RunTest, SignalsArePassedOn) {
  Child client = start_pcompose({"run", "--rm", "--no-deps", "-q", "web", "sh", "-c",
                                 "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep "
                                 "0.05; done"},
                                "client");
  ASSERT_TRUE(eventually([&] { return read_file(file("client.out")) == "ready\n"; }));
  client.pidfd().send_signal(SIGUSR1);
  EXPECT_EQ(client.wait().code(), 3);
  EXPECT_EQ(read_file(file("client.out")), "ready\ngot\n");
}

TEST_F(RunTest, ACancelledWaitStartsNothing) {
  compose(
      "services:\n  web: {image: busybox, command: 'true', depends_on: {db: {condition: "
      "service_healthy}}}\n  db: {image: busybox, command: sleep 1000, healthcheck: {test: "
      "'false', interval: 100s}}\n");
  Child client = start_pcompose({"run", "--rm", "web"}, "client");
  ASSERT_TRUE(eventually([&] { return state("db") == "running"; }));
  client.pidfd().send_signal(SIGINT);
  EXPECT_EQ(client.wait().code(), 130);
  EXPECT_TRUE(eventually([&] { return one_offs() == 0; }));
}

TEST_F(RunTest, OutlivesItsSupervisor) {
  Child client = start_pcompose({"run", "--no-deps", "-q", "web", "sh", "-c",
                                 "echo one; while ! test -e /go; do sleep 0.05; done; echo two; "
                                 "exit 5"},
                                "client");
  ASSERT_TRUE(eventually([&] { return read_file(file("client.out")) == "one\n"; }));
  Pidfd::open(supervisor()).send_signal(SIGKILL);
  ASSERT_TRUE(
      eventually([&] { return pcompose({"exec", "-T", "web", "touch", "/go"}).code == 0; }));
  EXPECT_EQ(client.wait().code(), 5);
}

}  // namespace
}  // namespace pcompose::test
