// Units, readiness and reboots, as far as they go without systemd; tests/guest/suite.sh has the
// real one.
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/database.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

class SystemdTest : public StackTest {
 protected:
  // Everything that a boot destroys.
  void reboot() {
    std::vector<Pidfd> processes;
    for (pid_t pid : {keeper(), supervisor()}) {
      if (pid != 0) processes.push_back(Pidfd::open(pid));
    }
    Database database(root() + "/state.db");
    SQLite::Statement pids(database.get(), "SELECT pid FROM containers WHERE pid > 0");
    while (pids.executeStep())
      processes.push_back(Pidfd::open(static_cast<pid_t>(pids.getColumn(0).getInt())));
    // A machine that goes down leaves nobody time to start another.
    for (int signal : {SIGSTOP, SIGKILL}) {
      for (const Pidfd& p : processes) p.send_signal(signal);
    }
    for (const Pidfd& p : processes) ASSERT_TRUE(eventually([&] { return p.ended(); }));
    database.get().exec("UPDATE containers SET boot = 'another'");
    fs::remove_all("/run/pcompose");
  }
};

TEST_F(SystemdTest, AfterARebootWhatWasPromisedRunsAgain) {
  compose(R"(x-w: &w {image: busybox, command: sleep 1000, stop_signal: SIGKILL}
services:
  always: {<<: *w, restart: always, depends_on: [wanted]}
  wanted: {<<: *w, restart: unless-stopped}
  unwanted: {<<: *w, restart: unless-stopped}
  once: {<<: *w}
  failing: {<<: *w, restart: on-failure}
)");
  expect(0, {"up", "-d"});
  expect(0, {"stop", "unwanted"});
  reboot();
  EXPECT_EQ(state("always"), "exited");
  EXPECT_NE(expect(0, {"system", "boot"}).out.find("case"), std::string::npos);
  EXPECT_EQ(state("always"), "running");
  EXPECT_EQ(state("wanted"), "running");
  for (const char* down : {"unwanted", "once", "failing"}) EXPECT_EQ(state(down), "exited") << down;
  EXPECT_EQ(expect(0, {"exec", "-T", "always", "nslookup", "wanted"}).code, 0);
}

TEST_F(SystemdTest, WhatWasOnlyCreatedNeedsNoProcessAndOutlivesAReboot) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, restart: unless-stopped}\n");
  expect(0, {"up", "--no-start"});
  EXPECT_TRUE(eventually([&] { return supervisor() == 0 && keeper() == 0; }));
  std::string id = expect(0, {"ps", "-a", "-q"}).out;
  reboot();
  expect(0, {"system", "boot"});
  EXPECT_EQ(state("w"), "created");
  expect(0, {"start"});
  EXPECT_EQ(state("w"), "running");
  EXPECT_EQ(expect(0, {"ps", "-q"}).out, id);
}

TEST_F(SystemdTest, UpWithWaitTellsWhoStartedItThatAllAreHealthy) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'sleep 0.2; touch /tmp/ok; exec sleep 1000'
    stop_signal: SIGKILL
    healthcheck: {test: test -e /tmp/ok, interval: 1s}
)");
  Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  file("notify").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", file("notify").c_str(), 1);
  Child up = start_pcompose({"up", "--wait"}, "up");
  ::unsetenv("NOTIFY_SOCKET");
  pollfd readable{socket.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&readable, 1, 20000), 1);
  EXPECT_EQ(health("w"), "healthy");
  std::string text(200, '\0');
  ssize_t n = ::recv(socket.get(), text.data(), text.size(), 0);
  ASSERT_GT(n, 0);
  EXPECT_TRUE(text.starts_with("READY=1\nSTATUS=project case")) << text;
  // It waits until that is understood: it must be there when systemd asks who it was.
  ASSERT_EQ(::poll(&readable, 1, 20000), 1);
  EXPECT_FALSE(up.pidfd().ended());
  n = ::recv(socket.get(), text.data(), text.size(), 0);  // the descriptor is closed with it
  EXPECT_EQ(text.substr(0, static_cast<size_t>(n)), "BARRIER=1");
  ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }, std::chrono::seconds(20)));
  EXPECT_EQ(up.wait().code(), 0);
}

TEST_F(SystemdTest, AUnitIsWrittenAndRemoved) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n");
  fs::create_directory(file("units"));
  std::string path = expect(0, {"systemd", "enable", "--directory", "units"}).out;
  path.pop_back();
  ASSERT_TRUE(path.starts_with(file("units") + "/pcompose-case")) << path;
  std::string name = fs::path(path).filename();
  EXPECT_EQ(fs::read_symlink(file("units/multi-user.target.wants/") + name), path);
  std::string text = read_file(path);
  EXPECT_NE(text.find("Type=notify\n"), std::string::npos);
  EXPECT_NE(text.find(" -f " + file("compose.yaml") + " up --wait\n"), std::string::npos) << text;
  EXPECT_NE(text.find("PCOMPOSE_ROOT=" + root()), std::string::npos);
  expect(0, {"systemd", "enable", "--directory", "units"});  // again: the same
  EXPECT_EQ(read_file(path), text);
  expect(0, {"systemd", "disable", "--directory", "units"});
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::is_symlink(file("units/multi-user.target.wants/") + name));
  Result again = expect(1, {"systemd", "disable", "--directory", "units"});
  EXPECT_NE(again.err.find("there is no unit"), std::string::npos) << again.err;
  Result unknown = expect(1, {"systemd", "enable", "nosuch", "--directory", "units"});
  EXPECT_NE(unknown.err.find("there is no project nosuch"), std::string::npos) << unknown.err;
}

}  // namespace
}  // namespace pcompose::test
