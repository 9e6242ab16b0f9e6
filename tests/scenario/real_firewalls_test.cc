// A stack beside docker's own daemon and ufw, as Debian has them, in the test's host.
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/mount.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/directory.h"
#include "base/fd.h"
#include "tests/scenario/firewalls_fixture.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class DockerdTest : public FirewallsTest {
 protected:
  void SetUp() override {
    if (::access("/usr/sbin/dockerd", X_OK) != 0) GTEST_SKIP() << "needs docker.io";
    FirewallsTest::SetUp();
  }
  void TearDown() override {
    if (directory_.empty()) return;
    expect(0, {"down", "-t", "0"});
    stop_docker();
    if (kernel_.link_exists("docker0")) kernel_.delete_bridge("docker0");  // it leaves that
    fs::remove_all("/run/docker-test");
    FirewallsTest::TearDown();
  }
  void start_docker() {
    make_directories("/run/docker-test");
    Fd log = open_file(file("dockerd.log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dockerd_.emplace(
        spawn({.argv = {"/usr/sbin/dockerd", "--data-root", file("docker"), "--exec-root",
                        "/run/docker-test/exec", "--pidfile", "/run/docker-test/pid", "--host",
                        "unix:///run/docker-test/socket", "--storage-driver", "vfs"},
               .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + directory_},
               .fds = {{log.get(), 1}, {log.get(), 2}},
               .session = Session::own,
               .directory = "/"}));
    ASSERT_TRUE(eventually([&] { return docker({"info"}).code == 0; }, std::chrono::seconds(60)))
        << read_file(file("dockerd.log"));
  }
  void stop_docker() {
    if (!dockerd_) return;
    dockerd_->pidfd().send_signal(SIGTERM);
    dockerd_->wait();
    dockerd_.reset();
  }
  [[nodiscard]] Result docker(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--host", "unix:///run/docker-test/socket"});
    return program("/usr/bin/docker", std::move(arguments));
  }

  std::optional<Child> dockerd_;
};

TEST_F(DockerdTest, BeforeUs) {
  start_docker();
  std::string before = rules();
  EXPECT_THAT(before, HasSubstr("-P FORWARD DROP"));
  expect(0, {"up", "-d"});
  expect_open("beside docker");
  // Another network of docker's is apart from ours, and its rules come on top.
  EXPECT_EQ(docker({"network", "create", "theirs"}).code, 0);
  expect_open("with a further network");
  EXPECT_EQ(docker({"network", "rm", "theirs"}).code, 0);
  expect(0, {"down", "-t", "0"});
  EXPECT_EQ(rules(), before) << "taken back by the last down";
}

TEST_F(DockerdTest, AfterUsAndAgain) {
  expect(0, {"up", "-d"});
  expect_open("before docker");
  for (int i = 0; i < 2; ++i) {
    start_docker();
    expect_open("after its start");
    stop_docker();
    expect_open("without it");
  }
  expect(0, {"down", "-t", "0"});
  EXPECT_THAT(rules(), Not(HasSubstr("pc-+")));
}

class UfwTest : public FirewallsTest {
 protected:
  void SetUp() override {
    if (::access("/usr/sbin/ufw", X_OK) != 0) GTEST_SKIP() << "needs ufw";
    FirewallsTest::SetUp();
    if (IsSkipped()) return;
    // It writes down what it is told.
    fs::copy("/etc/ufw", file("ufw"), fs::copy_options::recursive);
    ASSERT_EQ(::mount(file("ufw").c_str(), "/etc/ufw", nullptr, MS_BIND, nullptr), 0);
  }
  void TearDown() override {
    if (directory_.empty()) return;
    expect(0, {"down", "-t", "0"});
    static_cast<void>(program("/usr/sbin/ufw", {"disable"}));
    EXPECT_EQ(::umount2("/etc/ufw", 0), 0);
    ::unlink("/run/ufw.lock");
    FirewallsTest::TearDown();
  }
  void ufw(const std::vector<std::string>& arguments) {
    Result r = program("/usr/sbin/ufw", arguments);
    ASSERT_EQ(r.code, 0) << r.out;
  }
};

TEST_F(UfwTest, BeforeUsAndReloaded) {
  ufw({"--force", "enable"});
  std::string before = rules();
  EXPECT_THAT(before, HasSubstr("-P FORWARD DROP"));
  EXPECT_THAT(before, HasSubstr("-P INPUT DROP"));
  expect(0, {"up", "-d"});
  expect_open("beside ufw");
  ufw({"reload"});
  expect_open("after a reload");
  ufw({"allow", "22/tcp"});
  expect_open("with another rule of its own");
  ufw({"delete", "allow", "22/tcp"});
  expect(0, {"down", "-t", "0"});
  EXPECT_EQ(rules(), before) << "taken back by the last down";
}

TEST_F(UfwTest, AfterUsAndAway) {
  expect(0, {"up", "-d"});
  ufw({"--force", "enable"});
  expect_open("after its start");
  ufw({"disable"});
  expect_open("without it");
  ufw({"--force", "enable"});
  expect_open("after its second start");
  expect(0, {"down", "-t", "0"});
  EXPECT_THAT(rules(), Not(HasSubstr("pc-+")));
}

}  // namespace
}  // namespace pcompose::test
