#include <csignal>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class OutputTest : public StackTest {};

TEST_F(OutputTest, LogsHaveTailTimestampsAndPrefixes) {
  compose("services:\n  w:\n    image: busybox\n    command: seq 1 5\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 5; }));
  EXPECT_EQ(expect(0, {"logs", "--tail", "2"}).out, "w-1  | 4\nw-1  | 5\n");
  std::string timed = expect(0, {"logs", "--tail", "1", "--timestamps", "--no-log-prefix"}).out;
  EXPECT_EQ(timed.substr(30), " 5\n");
  EXPECT_EQ(timed[10], 'T');
}

TEST_F(OutputTest, FollowShowsWhatComesAndEndsWithTheLastContainer) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sh -c 'for i in 1 2 3; do echo $$i; sleep "
      "0.2; done'\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"logs", "-f"}).out, "w-1  | 1\nw-1  | 2\nw-1  | 3\n");
}

TEST_F(OutputTest, ReopenedStandardFilesWork) {
  compose(R"(services:
  w:
    image: busybox
    user: "1000"
    command: sh -c 'echo one > /dev/stdout; echo two > /dev/stderr; echo three > /proc/self/fd/1'
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 3; }));
}

TEST_F(OutputTest, ATerminalIsLogged) {
  compose(
      "services:\n  w:\n    image: busybox\n    tty: true\n    command: sh -c 'test -t 1 && echo "
      "terminal'\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 1; }));
  EXPECT_EQ(lines("w")[0], "terminal\r");
}

TEST_F(OutputTest, TheFileSaysHowMuchIsKept) {
  auto service = [](const std::string& name, const std::string& logging) {
    return "  " + name + ":\n    image: busybox\n    logging: " + logging +
           "\n    command: [sh, -c, 'for i in 1 2 3 4 5 6 7 8; do seq 300; sleep 0.05; done']\n";
  };
  compose("services:\n" +
          service("little", "{driver: json-file, options: {max-size: 4k, max-file: '2'}}") +
          service("nothing", "{driver: none}"));
  expect(0, {"up", "-d"});
  expect(0, {"wait", "little", "nothing"});
  auto kept = lines("little");
  ASSERT_FALSE(kept.empty());
  EXPECT_EQ(kept.back(), "300");
  EXPECT_LT(kept.size(), 2400U);
  EXPECT_TRUE(lines("nothing").empty());
}

TEST_F(OutputTest, ALogDriverThatWeDoNotHaveIsNamed) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: 'true'\n"
      "    logging: {driver: syslog}\n");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:6:23: services.w.logging.driver: \"syslog\""),
            std::string::npos)
      << up.err;
}

TEST_F(OutputTest, ATerminalIsLoggedWhileItIsOpen) {
  compose(
      "services:\n  w: {image: busybox, tty: true, command: sh -c 'echo terminal; sleep 1000'}\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 1; }));
}

}  // namespace
}  // namespace pcompose::test
