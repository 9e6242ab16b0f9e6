// A stack on a host whose firewall comes later, is reloaded, or takes our rules along: real packets
// between containers, the host and a neighbour on its network.
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/directory.h"
#include "base/error.h"
#include "base/pidfd.h"
#include "base/process.h"
#include "base/roots.h"
#include "tests/scenario/firewalls_fixture.h"

namespace pcompose::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class LikeDockerTest : public FirewallsTest {
 protected:
  static std::string table() { return Roots::from_environment().tag; }
  // What docker.io's dockerd does at its start (libnetwork's setupIPChains and its siblings).
  void start_docker() {
    for (const char* chain : {"DOCKER", "DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-2"}) {
      iptables({"-N", chain});
      if (std::string(chain) != "DOCKER") iptables({"-A", chain, "-j", "RETURN"});
    }
    iptables({"-t", "nat", "-N", "DOCKER"});
    iptables(
        {"-t", "nat", "-A", "PREROUTING", "-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER"});
    iptables({"-P", "FORWARD", "DROP"});
    iptables({"-I", "FORWARD", "-j", "DOCKER-ISOLATION-STAGE-1"});
    iptables({"-N", "DOCKER-USER"});
    iptables({"-A", "DOCKER-USER", "-j", "RETURN"});
    iptables({"-I", "FORWARD", "-j", "DOCKER-USER"});
  }
};

TEST_F(LikeDockerTest, DockerComesLater) {
  expect(0, {"up", "-d"});
  expect_open("before docker");
  start_docker();
  ASSERT_FALSE(HasFailure());
  expect_open("after docker");
  // The rules that others have there are emptied, ours with them.
  iptables({"-F", "DOCKER-USER"});
  expect_open("after a flush");
  EXPECT_EQ(expect(0, {"down", "-t", "0"}).code, 0);
  EXPECT_THAT(rules(), Not(HasSubstr("pc-+")));
}

TEST_F(LikeDockerTest, OurTableIsFlushedInPartOrWhole) {
  expect(0, {"up", "-d"});
  expect_open("before");
  for (const std::string& command : {"flush table inet " + table(), "delete table inet " + table(),
                                     std::string("flush ruleset")}) {
    nft(command);
    expect_open(command);
  }
  // It guards again, too.
  EXPECT_EQ(in_app("nc -w 1 127.0.0.1 18080 </dev/null"), "");
}

class FirewalldTest : public FirewallsTest {
 protected:
  void SetUp() override {
    if (::access("/usr/sbin/firewalld", X_OK) != 0) GTEST_SKIP() << "needs firewalld";
    FirewallsTest::SetUp();
    if (IsSkipped()) return;
    make_directories("/run/dbus");
    // It starts nobody else: not the machine's polkitd, for one.
    write("bus.conf", R"(<busconfig>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow eavesdrop="false"/>
    <allow send_type="signal"/><allow send_type="method_call"/>
    <allow receive_type="signal"/><allow receive_type="method_call"/>
    <allow receive_type="method_return"/><allow receive_type="error"/>
  </policy>
</busconfig>
)");
    Result bus = program("/usr/bin/dbus-daemon", {"--config-file=" + file("bus.conf"), "--fork",
                                                  "--nopidfile", "--print-pid=1"});
    ASSERT_EQ(bus.code, 0) << bus.out;
    bus_ = Pidfd::open(std::stoi(bus.out));
  }
  void TearDown() override {
    if (directory_.empty()) return;
    expect(0, {"down", "-t", "0"});
    stop_firewalld();
    if (bus_) bus_->send_signal(SIGTERM);
    ::unlink("/run/dbus/system_bus_socket");
    FirewallsTest::TearDown();
  }
  void start_firewalld() {
    Fd log = open_file(file("firewalld.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    firewalld_.emplace(spawn({.argv = {"/usr/sbin/firewalld", "--nofork", "--nopid", "--log-target",
                                       "file", "--log-file", file("firewalld.log")},
                              .environment = current_environment(),
                              .fds = {{log.get(), 1}, {log.get(), 2}},
                              .session = Session::same,
                              .directory = "/"}));
    ASSERT_TRUE(eventually([&] { return firewall("--state").out == "running\n"; }))
        << read_file(file("firewalld.log"));
  }
  void stop_firewalld() {
    if (!firewalld_) return;
    firewalld_->pidfd().send_signal(SIGTERM);
    firewalld_->wait();
    firewalld_.reset();
  }
  [[nodiscard]] Result firewall(const std::string& argument) const {
    return program("/usr/bin/firewall-cmd", {argument});
  }
  [[nodiscard]] std::string trusted() const {
    return program("/usr/bin/firewall-cmd", {"--zone=trusted", "--list-interfaces"}).out;
  }

  std::optional<Pidfd> bus_;
  std::optional<Child> firewalld_;
};

TEST_F(FirewalldTest, BeforeUsAndReloaded) {
  start_firewalld();
  expect(0, {"up", "-d"});
  expect_open("beside firewalld");
  EXPECT_EQ(trusted(), "pc-+\n");
  EXPECT_EQ(firewall("--reload").out, "success\n");
  expect_open("after a reload");
  expect(0, {"down", "-t", "0"});
  EXPECT_EQ(trusted(), "\n") << "taken back by the last down";
}

TEST_F(FirewalldTest, LaterThanUsAndStartedAgain) {
  expect(0, {"up", "-d"});
  expect_open("before firewalld");
  start_firewalld();
  expect_open("after its start");
  stop_firewalld();
  expect_open("without it");
  start_firewalld();
  expect_open("after its second start");
  EXPECT_EQ(trusted(), "pc-+\n");
  expect(0, {"down", "-t", "0"});
  EXPECT_EQ(trusted(), "\n");
}

TEST_F(FirewalldTest, TheAdministratorsWordHolds) {
  start_firewalld();
  EXPECT_EQ(program("/usr/bin/firewall-cmd", {"--zone=internal", "--add-interface=pc-+"}).code, 0);
  expect(0, {"up", "-d"});
  EXPECT_EQ(trusted(), "\n");
  expect(0, {"down", "-t", "0"});
  EXPECT_EQ(program("/usr/bin/firewall-cmd", {"--zone=internal", "--list-interfaces"}).out,
            "pc-+\n");
}

}  // namespace
}  // namespace pcompose::test
