#include "base/process.h"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose {
namespace {

SpawnOptions shell(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script},
          .environment = {"A=1"},
          .fds = {},
          .session = Session::same,
          .directory = "/"};
}

TEST(Process, ReturnsTheCode) { EXPECT_EQ(spawn(shell("exit 7")).wait().code(), 7); }

TEST(Process, ASignalIs128AndMore) {
  ExitStatus status = spawn(shell("kill -TERM $$")).wait();
  EXPECT_EQ(status.code(), 143);
  EXPECT_EQ(status.signal(), SIGTERM);
}

TEST(Process, GetsTheDescriptorsItWasGivenInAnyOrder) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd in(ends[0]), out(ends[1]);
  SpawnOptions options = shell("echo $A >&2; echo out");
  options.fds = {{out.get(), 1}, {out.get(), 2}};
  Child child = spawn(options);
  out.reset();
  EXPECT_EQ(read_all(in.get()), "1\nout\n");
  EXPECT_EQ(child.wait().code(), 0);
}

TEST(Process, GetsNoOthers) {
  Fd null(::open("/dev/null", O_RDONLY));  // NOLINT: without O_CLOEXEC, as Asio accepts
  SpawnOptions options = shell("test ! -e /proc/self/fd/" + std::to_string(null.get()));
  EXPECT_EQ(spawn(options).wait().code(), 0);
}

TEST(Process, AMissingProgramIsNamed) {
  try {
    spawn({.argv = {"/no/such"},
           .environment = {},
           .fds = {},
           .session = Session::same,
           .directory = ""});
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "start /no/such: No such file or directory");
  }
}

TEST(Process, WhoIsNotWaitedForIsKilled) {
  pid_t pid = 0;
  {
    Child child = spawn(shell("exec sleep 100"));
    pid = child.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Pidfd, ForeignAndZombieStatus) {
  Child child = spawn(shell("exit 3"));
  pid_t pid = child.pid();
  while (!child.pidfd().ended()) ::usleep(1000);
  EXPECT_EQ(zombie_status(pid)->code(), 3);
  EXPECT_FALSE(process_start_time(pid));
  child.wait();
  EXPECT_FALSE(zombie_status(pid));
}

TEST(Pidfd, StartTimeTellsProcessesApart) {
  auto mine = process_start_time(::getpid());
  ASSERT_TRUE(mine);
  EXPECT_EQ(process_start_time(::getpid()), mine);
  Child child = spawn(shell("exec sleep 100"));
  EXPECT_GE(*process_start_time(child.pid()), *mine);
}

}  // namespace
}  // namespace pcompose
