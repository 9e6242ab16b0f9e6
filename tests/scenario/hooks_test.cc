// post_start and pre_stop.
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class HooksTest : public StackTest {
 protected:
  std::string in(const std::string& command) {
    return expect(0, {"exec", "-T", "w", "sh", "-c", command}).out;
  }
  bool printed(const std::string& line) {
    auto all = lines("w");
    return std::ranges::find(all, line) != all.end();
  }
};

TEST_F(HooksTest, RunInOrderWithWhatTheyAskFor) {
  compose(R"(services:
  w:
    image: busybox
    user: "1000"
    cap_drop: [ALL]
    environment: {COLOUR: red, KEPT: "yes"}
    command: sh -c 'trap "sleep 0.2; exit 0" TERM; sleep 1000 & wait'
    post_start:
      - command: ["sh", "-c", "id -u; pwd; echo $$COLOUR $$KEPT"]
        user: root
        working_dir: /tmp
        environment: {COLOUR: blue}
      - command: sh -c "awk '/^CapEff/ {print $$2}' /proc/self/status"
        user: root
        privileged: true
    pre_stop:
      - command: sh -c 'id -u; echo going'
  after:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    depends_on: [w]
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() >= 4; }));
  auto said = lines("w");
  EXPECT_EQ(std::vector(said.begin(), said.begin() + 3),
            (std::vector<std::string>{"0", "/tmp", "blue yes"}));
  EXPECT_TRUE(said[3].ends_with("ffffff")) << said[3];
  expect(0, {"stop"});
  EXPECT_TRUE(printed("going"));
  EXPECT_TRUE(printed("1000"));
  expect(0, {"start"});
  EXPECT_TRUE(eventually([&] { return lines("w").size() >= 10; })) << "again at the next start";
}

TEST_F(HooksTest, AFailedPostStartFailsUpAndKeepsTheContainer) {
  compose(R"(services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    post_start:
      - command: sh -c 'echo no such luck; exit 3'
  after: {image: busybox, command: sleep 1000, depends_on: [w]}
)");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("compose.yaml:8:"), std::string::npos) << err;
  EXPECT_NE(err.find("post_start[0] of"), std::string::npos) << err;
  EXPECT_NE(err.find("w hook exited with status 3"), std::string::npos) << err;
  EXPECT_NE(err.find("no such luck"), std::string::npos) << err;
  EXPECT_EQ(state("w"), "running");
  EXPECT_NE(state("after"), "running");
}

TEST_F(HooksTest, AFailedPreStopKeepsTheContainerUp) {
  compose(R"(services:
  w:
    image: busybox
    command: sleep 1000
    pre_stop:
      - command: test -e /may-stop
)");
  expect(0, {"up", "-d"});
  std::string err = expect(1, {"down"}).err;
  EXPECT_NE(err.find("pre_stop[0] of"), std::string::npos) << err;
  EXPECT_EQ(state("w"), "running");
  in("touch /may-stop");
  expect(0, {"stop"});
  EXPECT_EQ(state("w"), "exited");
  expect(0, {"start"});
  in("rm /may-stop");
  expect(0, {"kill"});  // no hook
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
}

TEST_F(HooksTest, TheGracePeriodHoldsForHooksToo) {
  compose(R"(services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 1s
    pre_stop:
      - command: sleep 1000
)");
  expect(0, {"up", "-d"});
  auto began = std::chrono::steady_clock::now();
  expect(0, {"stop"});
  auto took = std::chrono::steady_clock::now() - began;
  EXPECT_GT(took, std::chrono::milliseconds(900));
  EXPECT_LT(took, std::chrono::seconds(30));
  EXPECT_EQ(state("w"), "exited");
}

// Before the service starts, once, with its networks and volumes; their containers are gone after.
TEST_F(HooksTest, PreStartRunsToItsEndBeforeTheService) {
  compose(R"(services:
  w:
    image: busybox
    environment: {COLOUR: red}
    volumes: [/data]
    stop_grace_period: 0s
    scale: 2
    command: sh -c 'cat /data/* ; sleep 1000'
    pre_start:
      - command: sh -c 'echo first $$COLOUR $$(id -u) > /data/1; hostname -i > /data/2'
        user: "0"
      - command: sh -c 'test -s /data/2 && echo $$COLOUR $$PWD >> /data/1'
        environment: {COLOUR: blue}
        working_dir: /tmp
        image: busybox
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() >= 3; }));
  EXPECT_TRUE(printed("first red 0"));
  EXPECT_TRUE(printed("blue /tmp"));
  std::string all = expect(0, {"ps", "-a"}).out;
  EXPECT_EQ(all.find("pre_start"), std::string::npos) << "the hooks' containers are gone: " << all;
  std::string again = expect(0, {"--dry-run", "up", "-d", "--scale", "w=3"}).out;
  EXPECT_EQ(again.find("pre_start"), std::string::npos) << "one of it runs: " << again;
  expect(0, {"stop"});
  again = expect(0, {"--dry-run", "start"}).out;
  EXPECT_NE(again.find("pre_start-2"), std::string::npos) << again;
}

TEST_F(HooksTest, AFailedPreStartKeepsTheServiceDownAndItsContainer) {
  std::string file = R"(services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    pre_start:
      - command: sh -c 'echo no such luck; exit CODE'
)";
  compose(file.replace(file.find("CODE"), 4, "3"));
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("compose.yaml:8:"), std::string::npos) << err;
  EXPECT_NE(err.find("service \"w\" pre_start[0] exited with code 3 (container "),
            std::string::npos)
      << err;
  EXPECT_NE(err.find("no such luck"), std::string::npos) << err;
  EXPECT_NE(expect(0, {"ps", "-a"}).out.find("pre_start-1"), std::string::npos);
  compose(file.replace(file.find("exit 3"), 6, "exit 0"));
  expect(0, {"up", "-d"});
  EXPECT_EQ(state("w"), "running");
  EXPECT_EQ(expect(0, {"ps", "-a"}).out.find("pre_start-1"), std::string::npos);
}

TEST_F(HooksTest, OneWithoutACommandIsRefused) {
  compose("services:\n  w:\n    image: busybox\n    post_start: [{user: root}]\n");
  std::string err = expect(1, {"config"}).err;
  EXPECT_NE(err.find("compose.yaml:5:"), std::string::npos) << err;
  EXPECT_NE(err.find("command"), std::string::npos) << err;
}

}  // namespace
}  // namespace pcompose::test
