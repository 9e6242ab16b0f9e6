// On a host whose own firewall drops what it does not know.
#include <fcntl.h>

#include <gmock/gmock.h>

#include "base/process.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

using testing::HasSubstr;
using testing::Not;

class NeighboursTest : public NetworksTest {
 protected:
  void SetUp() override {
    NetworksTest::SetUp();
    if (!ready_) return;
    if (::access("/usr/sbin/iptables", X_OK) != 0) GTEST_SKIP() << "needs iptables";
  }
  void TearDown() override {
    NetworksTest::TearDown();
    for (const char* program : {"iptables", "ip6tables"}) {
      iptables(program, {"-P", "FORWARD", "ACCEPT"});
      iptables(program, {"-F"});
      iptables(program, {"-X"});
    }
  }
  static std::string iptables(const std::string& program, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/usr/sbin/" + program);
    Fd out = open_file("/run/iptables.out", O_RDWR | O_CREAT | O_TRUNC, 0600);
    Child child = spawn({.argv = std::move(arguments),
                         .environment = current_environment(),
                         .fds = {{out.get(), 1}, {out.get(), 2}},
                         .session = Session::same,
                         .directory = ""});
    child.wait();
    return read_file("/run/iptables.out");
  }
  // What docker.io does to a host.
  static void like_docker(const std::string& program) {
    iptables(program, {"-P", "FORWARD", "DROP"});
    iptables(program, {"-N", "DOCKER-USER"});
    iptables(program, {"-A", "DOCKER-USER", "-j", "RETURN"});
    iptables(program, {"-I", "FORWARD", "-j", "DOCKER-USER"});
  }
  static void like_ufw() {
    iptables("iptables", {"-P", "FORWARD", "DROP"});
    iptables("iptables", {"-N", "ufw-user-forward"});
    iptables("iptables", {"-A", "FORWARD", "-j", "ufw-user-forward"});
  }
  static std::string rules() { return iptables("iptables", {"-S"}); }
};

TEST_F(NeighboursTest, ContainersGetOutAndPortsComeInBesideDocker) {
  like_docker("iptables");
  std::string before = rules();
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  Kernel kernel;
  // Gone before the networks: a link that came after them would keep forwarding on.
  {
    Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
    Lan other(kernel, "lan1", "192.168.8.1", "192.168.8.2");
    EchoServer server(a.namespace_fd.get(), 80, "a");
    EchoServer world(lan.fd(), 80, "world");
    loop_.wait(networks_.publish({published("a", "", 8080)}));
    EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
    EXPECT_EQ(tcp_ask(lan.fd(), "192.168.7.1", 8080), "a 192.168.7.2");
    EXPECT_EQ(tcp_ask(b.namespace_fd.get(), "10.112.0.2", 80), "a 10.112.0.3");
    EXPECT_EQ(tcp_ask(lan.fd(), "10.112.0.2", 80, kSilence), "") << "our own rules still hold";
    EXPECT_EQ(tcp_ask(other.fd(), "192.168.7.2", 80, kSilence), "") << "and docker's";
    EXPECT_THAT(rules(), HasSubstr("-A DOCKER-USER -i pc-+ -m comment --comment pcompose-test"));
  }
  loop_.wait(networks_.remove_replicas({"id-a", "id-b"}));
  loop_.wait(networks_.remove_network("n1"));
  EXPECT_EQ(rules(), before) << "taken back by the last one";
}

TEST_F(NeighboursTest, Ipv6BesideDocker) {
  like_docker("ip6tables");
  NetworkSpec spec = network("n1");
  spec.ipv6 = true;
  ensure(spec);
  ReplicaNet a = make(replica("a", {"n1"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "fd77::1", "fd77::2");
  EchoServer world(lan.fd(), 80, "world");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "fd77::2", 80), "world fd77::1");
}

TEST_F(NeighboursTest, BesideUfw) {
  like_ufw();
  std::string before = rules();
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.bridge.name", "shop0"}};
  ensure(spec);
  ensure(network("n2"));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n2"}));
  Kernel kernel;
  {
    Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
    EchoServer world(lan.fd(), 80, "world");
    EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
    EXPECT_EQ(tcp_ask(b.namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
    EXPECT_THAT(rules(), HasSubstr("-A ufw-user-forward -o shop0"));
  }
  loop_.wait(networks_.remove_replicas({"id-a", "id-b"}));
  loop_.wait(networks_.remove_network("n1"));
  EXPECT_NE(rules(), before) << "not before the last";
  loop_.wait(networks_.remove_network("n2"));
  EXPECT_EQ(rules(), before);
}

TEST_F(NeighboursTest, WithoutSuchAFirewallNothingIsTouched) {
  std::string before = rules();
  ensure(network("n1"));
  EXPECT_EQ(rules(), before);
}

}  // namespace
}  // namespace pcompose::netns
