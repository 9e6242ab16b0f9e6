// What a file says about networks and memberships, in real namespaces.
#include <algorithm>

#include <gmock/gmock.h>

#include "netns/link_messages.h"
#include "netns/sysctl.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

using testing::HasSubstr;

class AttributesTest : public NetworksTest {
 protected:
  static int mtu(const ReplicaNet& r, const std::string& interface) {
    return std::stoi(inside(r, "/sys/class/net/" + interface + "/mtu"));
  }
  // A file of the namespace's sysfs, which shows that of its mounter.
  static std::string inside(const ReplicaNet& r, const std::string& path) {
    std::string out;
    in_namespace(r.namespace_fd.get(), [&] {
      NetlinkBatch batch;
      batch.begin(RTM_GETLINK, NLM_F_ACK, any_link());
      size_t slash = path.rfind('/');
      std::string link = path.substr(15, slash - 15);
      batch.put_string(IFLA_IFNAME, link);
      Fd route = open_netlink(NETLINK_ROUTE);
      request(route.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
        for (const auto& a : attributes(payload, sizeof(ifinfomsg))) {
          if (a.type == IFLA_MTU) out = std::to_string(a.as<uint32_t>().value());
        }
      });
    });
    return out.empty() ? "0" : out;
  }
  static bool has_link(const ReplicaNet& r, const std::string& name) {
    bool out = false;
    in_namespace(r.namespace_fd.get(),
                 [&] { out = find_link(open_netlink(NETLINK_ROUTE).get(), name) != 0; });
    return out;
  }
};

TEST_F(AttributesTest, MtuOfBothEnds) {
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.driver.mtu", "1400"}};
  ensure(spec);
  EXPECT_EQ(mtu(make(replica("a", {"n1"})), "eth0"), 1400);
  spec.name = "bad";
  spec.driver_opts = {{"com.docker.network.driver.mtu", "12"}};
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("\"12\" is no MTU"));
}

TEST_F(AttributesTest, TheBridgesName) {
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.bridge.name", "shop0"}};
  EXPECT_EQ(ensure(spec).bridge, "shop0");
  EXPECT_TRUE(Kernel().link_exists("shop0"));
  spec.name = "n2";
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("the host has a link shop0 already"));
  spec.driver_opts = {{"com.docker.network.bridge.name", "much-too-long-a-name"}};
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("is no name of a link"));
}

TEST_F(AttributesTest, WithoutIccContainersReachOnlyTheHost) {
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.bridge.enable_icc", "false"}};
  NetworkRow n1 = ensure(spec);
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EchoServer host(-1, 9000, "host");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), b.endpoints[0].address->str(), 80, kSilence), "");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), n1.gateway.str(), 9000), "host 10.112.0.2");
}

TEST_F(AttributesTest, WithoutMasqueradeTheWorldSeesTheContainer) {
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.bridge.enable_ip_masquerade", "false"}};
  ensure(spec);
  ReplicaNet a = make(replica("a", {"n1"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  EchoServer world(lan.fd(), 80, "world");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "192.168.7.2", 80), "world 10.112.0.2");
}

TEST_F(AttributesTest, InterfaceNames) {
  NetworkSpec spec = network("n1");
  spec.driver_opts = {{"com.docker.network.container_iface_prefix", "net"}};
  ensure(spec);
  ensure(network("n2"));
  ReplicaSpec a = replica("a", {"n1", "n2"});
  a.attachments[1].interface = "back0";
  ReplicaNet made = make(a);
  EXPECT_TRUE(has_link(made, "net0"));
  EXPECT_TRUE(has_link(made, "back0"));
  ReplicaSpec b = replica("b", {"n1", "n2"});
  b.attachments[0].interface = b.attachments[1].interface = "x0";
  EXPECT_THAT(message_of([&] { make(b); }), HasSubstr("two networks of the container have"));
}

TEST_F(AttributesTest, MacAddress) {
  ensure(network("n1"));
  ReplicaSpec a = replica("a", {"n1"});
  a.attachments[0].mac = "02:42:ac:11:00:99";
  EXPECT_EQ(make(a).endpoints[0].mac.str(), "02:42:ac:11:00:99");
  ReplicaSpec bad = replica("b", {"n1"});
  bad.attachments[0].mac = "01:42:ac:11:00:99";
  EXPECT_THAT(message_of([&] { make(bad); }), HasSubstr("is not a unicast MAC address"));
}

TEST_F(AttributesTest, LinkLocalAddresses) {
  ensure(network("n1"));
  ReplicaSpec a = replica("a", {"n1"});
  a.attachments[0].link_locals = {"169.254.8.8"};
  ReplicaNet made = make(a);
  ReplicaSpec other = replica("b", {"n1"});
  other.attachments[0].link_locals = {"169.254.8.9"};
  ReplicaNet b = make(other);
  EchoServer server(made.namespace_fd.get(), 80, "a");
  EXPECT_EQ(tcp_ask(b.namespace_fd.get(), "169.254.8.8", 80), "a 169.254.8.9");
  other.container = "id-c";
  other.attachments[0].link_locals = {"10.0.0.1"};
  EXPECT_THAT(message_of([&] { make(other); }), HasSubstr("is not a link-local address"));
}

TEST_F(AttributesTest, TheHighestGatewayPriorityLeadsOut) {
  ensure(network("n1"));
  ensure(network("n2"));
  ensure(network("in", Reach::internal));
  ReplicaSpec a = replica("a", {"n1", "n2", "in"});
  a.attachments[1].gw_priority = 5;
  a.attachments[2].gw_priority = 9;  // leads nowhere
  ReplicaNet made = make(a);
  EXPECT_FALSE(made.endpoints[0].is_default);
  EXPECT_TRUE(made.endpoints[1].is_default);
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  EchoServer world(lan.fd(), 80, "world");
  EXPECT_EQ(tcp_ask(made.namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
}

TEST_F(AttributesTest, FixedAddressesAreKeptForTheirOwners) {
  ensure(network("n1"));
  loop_.wait(networks_.fix_addresses({{"n1", "shop", "shop-b-1", "10.112.0.2"}}));
  EXPECT_EQ(make(replica("a", {"n1"})).endpoints[0].address->str(), "10.112.0.3");
  EXPECT_EQ(make(replica("b", {"n1"})).endpoints[0].address->str(), "10.112.0.2");
}

TEST_F(AttributesTest, RangesAndFurtherAddresses) {
  NetworkSpec spec = network("n1");
  spec.pools = {{"10.50.0.0/16", "10.50.0.254", "10.50.1.0/30", {{"router", "10.50.1.1"}}}};
  NetworkRow row = ensure(spec);
  EXPECT_EQ(row.gateway.str(), "10.50.0.254");
  EXPECT_EQ(make(replica("a", {"n1"})).endpoints[0].address->str(), "10.50.1.0");
  EXPECT_EQ(make(replica("b", {"n1"})).endpoints[0].address->str(), "10.50.1.2");
  EXPECT_EQ(make(replica("c", {"n1"})).endpoints[0].address->str(), "10.50.1.3");
  EXPECT_THAT(message_of([&] { make(replica("d", {"n1"})); }), HasSubstr("has no address left"));
  spec.name = "bad";
  spec.pools = {{"10.51.0.0/16", "", "10.52.0.0/24", {}}};
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("is not a part of 10.51.0.0/16"));
}

TEST_F(AttributesTest, AChangedNetworkIsMadeAnewWhereNobodyIsOnIt) {
  NetworkSpec spec = network("n1");
  spec.pools = {{"10.50.0.0/16"}};
  NetworkRow first = ensure(spec);
  spec.pools = {{"10.51.0.0/16"}};
  EXPECT_EQ(ensure(spec).subnet.str(), "10.51.0.0/16");
  ReplicaNet a = make(replica("a", {"n1"}));
  spec.pools = {{"10.52.0.0/16"}};
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("shop-a-1 is on it"));
}

TEST_F(AttributesTest, DriversNeedAParent) {
  NetworkSpec spec = network("n1");
  spec.driver = "macvlan";
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("driver_opts: {parent: eth0}"));
  spec.driver = "overlay";
  EXPECT_THAT(message_of([&] { ensure(spec); }), HasSubstr("there is no network driver overlay"));
}

TEST_F(AttributesTest, MacvlanContainersAreNeighboursOfTheLan) {
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  // A link of the host on that LAN.
  Namespace host = kernel.make_namespace(Dns::none);
  EchoServer world(lan.fd(), 80, "world");
  NetworkSpec spec = network("n1");
  spec.driver = "macvlan";
  spec.driver_opts = {{"parent", "lan0"}};
  spec.pools = {{"192.168.7.0/24", "192.168.7.1", "192.168.7.64/26", {}}};
  ensure(spec);
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  EXPECT_EQ(a.endpoints[0].address->str(), "192.168.7.64");
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "192.168.7.65", 80), "b 192.168.7.64");
  spec.name = "gone";
  spec.driver_opts = {{"parent", "nosuch0"}};
  ensure(spec);
  EXPECT_THAT(message_of([&] { make(replica("c", {"gone"})); }),
              HasSubstr("the host has no link nosuch0"));
}

TEST_F(AttributesTest, IpvlanIsRefusedInWordsWhereTheKernelHasNone) {
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  NetworkSpec spec = network("n1");
  spec.driver = "ipvlan";
  spec.driver_opts = {{"parent", "lan0"}};
  spec.pools = {{"192.168.7.0/24", "192.168.7.1", "", {}}};
  ensure(spec);
  std::string text = message_of([&] { make(replica("a", {"n1"})); });
  if (!text.empty()) EXPECT_THAT(text, HasSubstr("this kernel has no ipvlan"));
}

}  // namespace
}  // namespace pcompose::netns
