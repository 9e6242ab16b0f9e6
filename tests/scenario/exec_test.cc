#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class ExecTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    compose(
        "services:\n  w: {image: busybox, command: sleep 1000, environment: {A: '1'}, working_dir: "
        "/tmp}\n  init: {image: busybox, init: true, command: sleep 1000}\n");
    expect(0, {"up", "-d"});
  }
};

TEST_F(ExecTest, PassesStreamsAndCode) {
  Result r = expect(7, {"exec", "-T", "w", "sh", "-c", "cat; echo err >&2; exit 7"}, "input");
  EXPECT_EQ(r.out, "input");
  EXPECT_EQ(r.err, "err\n");
}

TEST_F(ExecTest, HasTheContainersWorldAndItsOwnOptions) {
  EXPECT_EQ(expect(0, {"exec", "-T", "w", "sh", "-c", "echo $A $(pwd) $(id -u)"}).out,
            "1 /tmp 0\n");
  EXPECT_EQ(expect(0, {"exec", "-T", "-u", "1000", "-w", "/", "-e", "A=2", "w", "sh", "-c",
                       "echo $A $(pwd) $(id -u)"})
                .out,
            "2 / 1000\n");
}

// The keeper ignores some; a shell that inherits that cannot take it back.
TEST_F(ExecTest, NoSignalIsIgnoredOrBlocked) {
  for (const char* process : {"1", "self"}) {
    for (const std::string mask : {"SigIgn", "SigBlk"})
      EXPECT_EQ(expect(0, {"exec", "-T", "w", "awk", "/^" + mask + ":/ {print $2}",
                           std::string("/proc/") + process + "/status"})
                    .out,
                "0000000000000000\n")
          << mask << " of " << process;
  }
}

TEST_F(ExecTest, MissingProgramsAndServices) {
  EXPECT_NE(expect(127, {"exec", "-T", "w", "nosuch"}).err.find("nosuch"), std::string::npos);
  EXPECT_EQ(expect(1, {"exec", "-T", "nobody", "true"}).err, "service \"nobody\" is not running\n");
}

TEST_F(ExecTest, InitReapsAndForwards) {
  EXPECT_EQ(expect(0, {"exec", "-T", "init", "sh", "-c", "cat /proc/1/comm"}).out, "docker-init\n");
  auto before = std::chrono::steady_clock::now();
  expect(0, {"stop", "init"});
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(ps()["init"].at("ExitCode").as_int64(), 143);
}

TEST_F(ExecTest, IsConfined) {
  std::string status = expect(0, {"exec", "-T", "w", "cat", "/proc/self/status"}).out;
  EXPECT_NE(status.find("Seccomp:\t2"), std::string::npos);
  EXPECT_NE(status.find("CapBnd:\t00000000a80425fb"), std::string::npos);
}

}  // namespace
}  // namespace pcompose::test
