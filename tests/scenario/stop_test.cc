// The grace period: who reacts to the stop signal has it, who cannot is not waited for.
#include <filesystem>

#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using std::chrono::seconds;

// Long enough that a machine with other work does not seem to wait for its end.
constexpr const char* kGrace = ", stop_grace_period: 60s";

class StopTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    std::filesystem::copy_file(PAYLOAD, file("payload"));
    give_to_user(file("payload"));
  }
  // Brings one service "w" up and stops it once it has said "ready". Its mapping is `service`
  // besides the image, and programs of the host's.
  void stop(const std::string& service, const std::string& ready = "ready",
            const std::vector<std::string>& command = {"stop"}) {
    compose(
        "services:\n  w: {image: busybox, volumes: [./payload:/payload, /usr/bin:/host:ro, "
        "/lib:/lib:ro, /lib64:/lib64:ro], " +
        service + (service.find("grace") == std::string::npos ? kGrace : "") + "}\n");
    expect(0, {"up", "-d"});
    ASSERT_TRUE(ready.empty() || eventually([&] { return said(ready); }));
    auto begun = std::chrono::steady_clock::now();
    expect(0, command);
    took_ = std::chrono::steady_clock::now() - begun;
  }
  bool said(const std::string& line) {
    auto all = lines("w");
    return std::find(all.begin(), all.end(), line) != all.end();
  }
  int64_t code() { return ps()["w"].at("ExitCode").as_int64(); }
  // It was not killed.
  void expect_its_own_end() {
    EXPECT_TRUE(said("stopped"));
    EXPECT_EQ(code(), 0);
  }

  std::chrono::steady_clock::duration took_{};
};

constexpr const char* kHandler =
    R"('trap "sleep 1; echo stopped; exit 0" TERM; echo ready; while :; do sleep 0.05; done')";

TEST_F(StopTest, WhoReadsItFromADescriptorHasItsGrace) {
  stop("command: [/payload, signalfd]");
  expect_its_own_end();
}

TEST_F(StopTest, WhoSitsInSigwaitHasItsGrace) {
  stop("command: [/payload, sigwait]");
  expect_its_own_end();
}

TEST_F(StopTest, WhoGivesItsHandlerAwayHasItsGrace) {
  stop("command: [/payload, once]");
  expect_its_own_end();
}

// The first signal is lost: it is sent again when it can be received.
TEST_F(StopTest, WhoIsNotReadyYetGetsItWhenItIs) {
  stop("command: [/payload, sleep, '1500']", "");
  expect_its_own_end();
  stop("command: [/payload, work, '1500']", "");
  expect_its_own_end();
  EXPECT_LT(took_, seconds(30));  // nor is it killed after the grace period
}

TEST_F(StopTest, AnInitPassesItOnAndIsWaitedFor) {
  stop(std::string("init: true, command: [sh, -c, ") + kHandler + "]");
  expect_its_own_end();
}

TEST_F(StopTest, InitsOfOthersPassItOnAndAreWaitedFor) {
  for (const char* init : {"tini", "dumb-init"}) {
    stop("command: [/host/" + std::string(init) + ", --, sh, -c, " + kHandler + "]");
    expect_its_own_end();
  }
}

// The shell gets nothing and passes nothing on, but what it runs may end in time.
TEST_F(StopTest, AShellAroundAProgramIsWaitedFor) {
  stop("command: [sh, -c, 'echo ready; sleep 1; echo stopped']");
  expect_its_own_end();
}

TEST_F(StopTest, WhoCannotReceiveItIsNotWaitedFor) {
  stop("command: [sleep, '1000']", "");
  EXPECT_LT(took_, seconds(30));
  EXPECT_EQ(code(), 137);
  stop("command: [/payload, threads]");
  EXPECT_LT(took_, seconds(30));
  // Asleep again and again, at the same place.
  stop("command: [tail, -f, /dev/null]", "");
  EXPECT_LT(took_, seconds(30));
}

TEST_F(StopTest, TheGracePeriodIsTheFilesOrTheCommands) {
  const char* deaf =
      R"(command: [sh, -c, 'trap "" TERM; echo ready; while :; do sleep 0.05; done'])";
  stop(std::string("stop_grace_period: 1s, ") + deaf);
  EXPECT_GE(took_, seconds(1));
  EXPECT_LT(took_, seconds(30));
  EXPECT_EQ(code(), 137);
  stop(deaf, "ready", {"stop", "-t", "1"});
  EXPECT_GE(took_, seconds(1));
  EXPECT_LT(took_, seconds(30));
}

TEST_F(StopTest, ManyThatDoNotEndCostOneGracePeriod) {
  std::string yaml = "services:\n";
  for (int i = 0; i < 8; ++i) {
    yaml += "  s" + std::to_string(i) +
            ": {image: busybox, stop_grace_period: 2s, command: [sh, -c, "
            "'trap \"\" TERM; while :; do sleep 0.05; done']}\n";
  }
  compose(yaml);
  expect(0, {"up", "-d"});
  auto begun = std::chrono::steady_clock::now();
  expect(0, {"down"});
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(12));
}

}  // namespace
}  // namespace pcompose::test
