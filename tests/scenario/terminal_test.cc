// run and attach at a terminal or a pipe that the test holds the other side of.
#include <csignal>
#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

// A terminal: its other side is the test's.
class TerminalTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    compose(
        "services:\n  web: {image: busybox, command: sleep 1000}\n"
        "  cat: {image: busybox, command: cat, stdin_open: true}\n");
  }
  void open_terminal(unsigned short rows, unsigned short columns) {
    int master = -1, slave = -1;
    winsize size{rows, columns, 0, 0};
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
    master_ = Fd(master);
    slave_ = Fd(slave);
    ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
  }
  Child start(std::vector<std::string> args) {
    args.insert(args.begin(), BIN "/pcompose");
    return spawn({.argv = std::move(args),
                  .environment = current_environment(),
                  .fds = {{slave_.get(), 0}, {slave_.get(), 1}, {slave_.get(), 2}},
                  .session = Session::own,
                  .directory = directory_});
  }
  void type(const std::string& keys) { write_all(master_.get(), keys); }
  bool shows(const std::string& text) {
    return eventually([&] {
      char block[4096];
      ssize_t n = 0;
      while ((n = ::read(master_.get(), block, sizeof block)) > 0)
        seen_.append(block, static_cast<size_t>(n));
      return seen_.find(text) != std::string::npos;
    });
  }
  Fd master_, slave_;
  std::string seen_;
};

TEST_F(TerminalTest, HasSizeKeysAndCode) {
  open_terminal(33, 77);
  Child client = start({"run", "--rm", "--no-deps", "web", "sh"});
  ASSERT_TRUE(shows("# ")) << seen_;
  type("stty size; test -t 0 && echo it\"\"is\r");
  EXPECT_TRUE(shows("33 77")) << seen_;
  EXPECT_TRUE(shows("itis")) << seen_;
  winsize size{50, 100, 0, 0};
  ::ioctl(master_.get(), TIOCSWINSZ, &size);
  client.pidfd().send_signal(SIGWINCH);  // it has no controlling terminal that would
  type("sleep 0.3; stty size\r");
  EXPECT_TRUE(shows("50 100")) << seen_;
  type("exit 6\r");
  EXPECT_EQ(client.wait().code(), 6);
}

TEST_F(TerminalTest, TheMenuDetaches) {
  open_terminal(24, 80);
  termios before{}, after{};
  ::tcgetattr(slave_.get(), &before);
  Child client = start({"up", "--menu"});
  ASSERT_TRUE(shows("d: detach")) << seen_;
  type("x");
  type("d");
  EXPECT_EQ(client.wait().code(), 0);
  EXPECT_EQ(state("web"), "running");
  ::tcgetattr(slave_.get(), &after);
  EXPECT_EQ(before.c_lflag, after.c_lflag);
}

TEST_F(TerminalTest, DetachKeysLeaveItRunning) {
  open_terminal(24, 80);
  Child client = start({"run", "--name", "shell", "--no-deps", "web", "sh"});
  ASSERT_TRUE(shows("# ")) << seen_;
  type("\x10\x11");  // ctrl-p, ctrl-q
  EXPECT_EQ(client.wait().code(), 0);
  EXPECT_NE(expect(0, {"ps", "-a"}).out.find("shell"), std::string::npos);
  Child again = start({"attach", "web"});
  type("echo a\"\"gain\r");
  EXPECT_TRUE(shows("again")) << seen_;
  type("exit 4\r");
  EXPECT_EQ(again.wait().code(), 4);
}

TEST_F(TerminalTest, AttachTalksToStdin) {
  expect(0, {"up", "-d", "cat"});
  ASSERT_TRUE(eventually([&] { return state("cat") == "running"; }));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd read_end(ends[0]), write_end(ends[1]);
  Fd out = open_file(file("attach.out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  Child client = spawn({.argv = {BIN "/pcompose", "attach", "--sig-proxy=false", "cat"},
                        .environment = current_environment(),
                        .fds = {{read_end.get(), 0}, {out.get(), 1}, {2, 2}},
                        .session = Session::own,
                        .directory = directory_});
  write_all(write_end.get(), "hello\n");
  EXPECT_TRUE(eventually([&] { return read_file(file("attach.out")) == "hello\n"; }));
  // Its stdin stays open for the next one.
  client.pidfd().send_signal(SIGINT);
  client.wait();
  EXPECT_EQ(state("cat"), "running");
  Child second = start_pcompose({"attach", "--no-stdin", "cat"}, "second");
  ::usleep(100000);
  expect(0, {"kill", "cat"});
  EXPECT_EQ(second.wait().code(), 137);
  EXPECT_EQ(lines("cat"), std::vector<std::string>{"hello"});
}

}  // namespace
}  // namespace pcompose::test
