// Namespaces, bridges and veth pairs against the real kernel, in a host of our own.
#include "netns/kernel.h"

#include <array>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "netns/listeners.h"
#include "netns/sysctl.h"
#include "tests/eventually.h"
#include "tests/netns/fake_host.h"

namespace pcompose::netns {
namespace {

const Prefix kSubnet = *Prefix::parse("10.112.0.0/22");
const BridgeSpec kBridge{.name = "pc-test0", .subnet = kSubnet, .gateway = kSubnet.first()};

class KernelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ready_ = enter_fake_host(); }
  void SetUp() override {
    if (!ready_) GTEST_SKIP() << "needs root";
  }
  static EndpointLink endpoint(const std::string& link, const std::string& address) {
    EndpointLink e;
    e.bridge = kBridge.name;
    e.link = link;
    e.interface = "eth0";
    e.address = *Ipv4::parse(address);
    e.prefix_length = 22;
    e.default_gateway = kBridge.gateway;
    e.mac = Mac::of(*e.address);
    return e;
  }
  static void connect(Kernel& kernel, const Namespace& to, const EndpointLink& e) {
    kernel.attach(to.fd.get(), to.route.get(), e);
    kernel.settle(to.route.get(), e);
  }
  static bool ready_;
};
bool KernelTest::ready_ = false;

TEST_F(KernelTest, NamespaceHasLoopbackUpAndIpv6Off) {
  Kernel kernel;
  Namespace made = kernel.make_namespace(Dns::serve);
  std::string all, standard, groups, ports, home = read_sysctl("net/ipv6/conf/all/disable_ipv6");
  in_namespace(made.fd.get(), [&] {
    all = read_sysctl("net/ipv6/conf/all/disable_ipv6");
    standard = read_sysctl("net/ipv6/conf/default/disable_ipv6");
    groups = read_sysctl("net/ipv4/ping_group_range");
    ports = read_sysctl("net/ipv4/ip_unprivileged_port_start");
  });
  EXPECT_EQ(home, "0");  // the thread came back
  EXPECT_EQ(all, "1");
  EXPECT_EQ(standard, "1");
  EXPECT_EQ(groups, "0\t2147483647");
  EXPECT_EQ(ports, "0");
  EXPECT_EQ(tcp_ask(made.fd.get(), "127.0.0.1", 1, kSilence), "");
}

TEST_F(KernelTest, BridgedNamespacesReachEachOther) {
  Kernel kernel;
  kernel.ensure_bridge(kBridge);
  kernel.ensure_bridge(kBridge);  // once more: idempotent
  Namespace a = kernel.make_namespace(Dns::none);
  Namespace b = kernel.make_namespace(Dns::none);
  connect(kernel, a, endpoint("pcv-a", "10.112.0.2"));
  connect(kernel, b, endpoint("pcv-b", "10.112.0.3"));
  EchoServer server(b.fd.get(), 80, "b");
  EXPECT_EQ(tcp_ask(a.fd.get(), "10.112.0.3", 80), "b 10.112.0.2");
  EXPECT_EQ(tcp_ask(-1, "10.112.0.3", 80), "b 10.112.0.1");
  Fd diag = kernel.open_diag(b.fd.get());
  EXPECT_EQ(listeners(diag.get()), (std::vector<Listener>{{80, Exposure::beyond}}));
  EXPECT_THROW(kernel.attach(a.fd.get(), a.route.get(), endpoint("pcv-a", "10.112.0.2")), Error);
  EXPECT_TRUE(kernel.delete_bridge(kBridge.name));
  EXPECT_FALSE(kernel.delete_bridge(kBridge.name));
}

TEST_F(KernelTest, LinksDieWithTheirNamespace) {
  Kernel kernel;
  kernel.ensure_bridge(kBridge);
  {
    Namespace a = kernel.make_namespace(Dns::none);
    connect(kernel, a, endpoint("pcv-c", "10.112.0.2"));
    EXPECT_TRUE(kernel.link_exists("pcv-c"));
  }
  EXPECT_TRUE(test::eventually([&] { return !kernel.link_exists("pcv-c"); }));
  EXPECT_TRUE(kernel.delete_bridge(kBridge.name));
  // The links of the test before go with their namespaces, too, and as late (netns,
  // asynchronously).
  EXPECT_TRUE(test::eventually([&] { return kernel.links().size() == 1; }))
      << "more than loopback is left";
}

TEST_F(KernelTest, RoutesAreThoseOfTheHost) {
  Kernel kernel;
  kernel.ensure_bridge(kBridge);
  EXPECT_EQ(kernel.routes(), std::vector<Prefix>{kSubnet});
  kernel.delete_bridge(kBridge.name);
  EXPECT_TRUE(kernel.routes().empty());
}

TEST_F(KernelTest, DnsSocketsHearPort53AndLeaveItToTheApplication) {
  Kernel kernel;
  Namespace a = kernel.make_namespace(Dns::serve);
  EchoServer own(a.fd.get(), 53, "own");  // binds 0.0.0.0:53, UDP and TCP
  Fd second_udp =
      kernel.open_dns(a.fd.get()).udp;  // replaces the table; another port, as ours is taken
  EXPECT_TRUE(second_udp);
  in_namespace(a.fd.get(), [&] {
    EXPECT_EQ(udp_ask(-1, "127.0.0.1", 53, "x"), "own 127.0.0.1");
    EXPECT_EQ(udp_ask(-1, "127.0.0.11", 53, "hello", kSilence), "");
  });
  std::array<char, 16> buffer;
  EXPECT_EQ(::recv(second_udp.get(), buffer.data(), buffer.size(), MSG_DONTWAIT), 5);
}

}  // namespace
}  // namespace pcompose::netns
