// IPv6: addresses, the way out, isolation, published ports.
#include <unistd.h>

#include <gmock/gmock.h>

#include "netns/sysctl.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

using testing::HasSubstr;

class Ipv6Test : public NetworksTest {
 protected:
  static NetworkSpec dual(const std::string& name, const std::string& subnet6 = "",
                          Reach reach = Reach::outside) {
    NetworkSpec spec = network(name, reach);
    spec.ipv6 = true;
    if (!subnet6.empty()) spec.pools.push_back({subnet6});
    return spec;
  }
  static std::string v6(const ReplicaNet& r, size_t i = 0) {
    return r.endpoints.at(i).address6.value().str();
  }
};

TEST_F(Ipv6Test, TheSubnetComesFromTheNameAndStays) {
  NetworkRow row = ensure(dual("n1"));
  EXPECT_EQ(row.subnet6->length, 64);
  EXPECT_EQ(row.subnet6->base.bytes[0], 0xfd);
  EXPECT_EQ(row.gateway6, row.subnet6->at(1));
  EXPECT_TRUE(loop_.wait(networks_.remove_network("n1")).empty());
  EXPECT_EQ(ensure(dual("n1")).subnet6, row.subnet6);
  EXPECT_NE(ensure(dual("n2")).subnet6, row.subnet6);
}

TEST_F(Ipv6Test, NeighboursReachEachOtherByBothFamilies) {
  ensure(dual("n1", "fd00:1::/64"));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  EXPECT_EQ(v6(b), "fd00:1::3");
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "fd00:1::3", 80), "b fd00:1::2");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "10.112.0.3", 80), "b 10.112.0.2");
  EXPECT_EQ(udp_ask(a.namespace_fd.get(), "fd00:1::3", 80, "x"), "b fd00:1::2");
  EXPECT_EQ(tcp_ask(-1, "fd00:1::3", 80), "b fd00:1::1") << "the host";
}

TEST_F(Ipv6Test, ANetworkMayHaveIpv6Only) {
  NetworkSpec spec = dual("n1", "fd00:1::/64");
  spec.ipv4 = false;
  NetworkRow row = ensure(spec);
  EXPECT_FALSE(row.ipv4);
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  EXPECT_FALSE(a.endpoints[0].address);
  EXPECT_EQ(v6(a), "fd00:1::2");
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), v6(b), 80), "b fd00:1::2");
}

TEST_F(Ipv6Test, StaticAddresses) {
  ensure(dual("n1", "fd00:1::/64"));
  ReplicaSpec spec = replica("a", {"n1"});
  spec.attachments[0].address6 = "fd00:1::abc";
  spec.attachments[0].address = "10.112.0.9";
  EXPECT_EQ(v6(make(spec)), "fd00:1::abc");
  ReplicaSpec bad = replica("b", {"n1"});
  bad.attachments[0].address6 = "fd00:2::1";
  EXPECT_THAT(message_of([&] { make(bad); }), HasSubstr("its IPv6 subnet is fd00:1::/64"));
  bad.attachments[0].address6 = "fd00:1::abc";
  EXPECT_THAT(message_of([&] { make(bad); }), HasSubstr("is in use by another container"));
  ensure(network("n2"));
  ReplicaSpec none = replica("c", {"n2"});
  none.attachments[0].address6 = "fd00:1::d";
  EXPECT_THAT(message_of([&] { make(none); }), HasSubstr("has no IPv6"));
}

TEST_F(Ipv6Test, ItStaysOffWhereTheNetworkHasNone) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  std::string interface, loopback;
  in_namespace(a.namespace_fd.get(), [&] {
    interface = read_sysctl("net/ipv6/conf/eth0/disable_ipv6");
    loopback = read_sysctl("net/ipv6/conf/lo/disable_ipv6");
  });
  EXPECT_EQ(interface, "1");
  EXPECT_EQ(loopback, "0") << "programs bind ::1";
  EXPECT_EQ(read_sysctl("net/ipv6/conf/all/forwarding"), "0") << "not without need";
}

TEST_F(Ipv6Test, TheWayOutHidesBehindTheHost) {
  ensure(dual("n1", "fd00:1::/64"));
  ReplicaNet a = make(replica("a", {"n1"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "fd77::1", "fd77::2");
  EchoServer world(lan.fd(), 80, "world");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "fd77::2", 80), "world fd77::1");
  EXPECT_EQ(udp_ask(a.namespace_fd.get(), "fd77::2", 80, "x"), "world fd77::1");
}

TEST_F(Ipv6Test, NetworksAreApartAndInternalOnesStayIn) {
  ensure(dual("n1", "fd00:1::/64"));
  ensure(dual("n2", "fd00:2::/64"));
  NetworkRow in = ensure(dual("in", "fd00:3::/64", Reach::internal));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n2"}));
  ReplicaNet c = make(replica("c", {"in"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "fd77::1", "fd77::2");
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EchoServer inner(c.namespace_fd.get(), 80, "c");
  EchoServer world(lan.fd(), 80, "world");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), v6(b), 80, kSilence), "");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), v6(c), 80, kSilence), "");
  EXPECT_EQ(tcp_ask(lan.fd(), v6(b), 80, kSilence), "") << "from outside";
  EXPECT_EQ(tcp_ask(c.namespace_fd.get(), "fd77::2", 80, kSilence), "") << "no default route";
  add_default_route(c.namespace_fd.get(), in.gateway6.str());
  EXPECT_EQ(tcp_ask(c.namespace_fd.get(), "fd77::2", 80, kSilence), "") << "not even with one";
  EXPECT_EQ(tcp_ask(c.namespace_fd.get(), v6(b), 80, kSilence), "");
}

TEST_F(Ipv6Test, PublishedPortsAreTranslated) {
  NetworkRow n1 = ensure(dual("n1", "fd00:1::/64"));
  ensure(dual("n2", "fd00:2::/64"));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n1"}));
  ReplicaNet c = make(replica("c", {"n2"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "fd77::1", "fd77::2");
  EchoServer server(a.namespace_fd.get(), 80, "a");
  loop_.wait(networks_.publish({published("a", "", 8080), published("a", "", 8080, Protocol::udp),
                                published("a", "fd77::1", 8081)}));
  EXPECT_EQ(tcp_ask(lan.fd(), "fd77::1", 8080), "a fd77::2") << "the client's address";
  EXPECT_EQ(udp_ask(lan.fd(), "fd77::1", 8080, "x"), "a fd77::2");
  EXPECT_EQ(tcp_ask(lan.fd(), "fd77::1", 8081), "a fd77::2") << "one address of the host";
  EXPECT_EQ(tcp_ask(-1, "fd77::1", 8080), "a fd77::1") << "the host itself";
  EXPECT_EQ(tcp_ask(b.namespace_fd.get(), n1.gateway6.str(), 8080), "a fd00:1::1") << "sibling";
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), n1.gateway6.str(), 8080), "a fd00:1::1") << "itself";
  EXPECT_EQ(tcp_ask(c.namespace_fd.get(), "fd00:2::1", 8080), "a fd00:2::2") << "other network";
  EXPECT_EQ(tcp_ask(b.namespace_fd.get(), n1.gateway6.str(), 8081, kSilence), "")
      << "another address";
  loop_.wait(networks_.unpublish({"id-a"}));
  EXPECT_EQ(tcp_ask(lan.fd(), "fd77::1", 8080, kSilence), "");
}

TEST_F(Ipv6Test, ForwardingIsForUsAndTheRouterIsListenedTo) {
  Kernel kernel;
  Lan lan0(kernel, "lan0", "fd77::1", "fd77::2");
  Lan lan1(kernel, "lan1", "fd78::1", "fd78::2");
  write_sysctl("net/ipv6/conf/lan0/accept_ra", "1");
  EchoServer server(lan0.fd(), 80, "lan0");
  ensure(dual("n1"));
  EXPECT_EQ(read_sysctl("net/ipv6/conf/all/forwarding"), "1");
  EXPECT_EQ(read_sysctl("net/ipv6/conf/lan0/accept_ra"), "2");
  EXPECT_EQ(tcp_ask(lan1.fd(), "fd77::2", 80, kSilence), "")
      << "the host did not forward before us";
  loop_.wait(networks_.remove_network("n1"));
  EXPECT_EQ(read_sysctl("net/ipv6/conf/lan0/accept_ra"), "1");
}

TEST_F(Ipv6Test, PortsConflictInTheirFamily) {
  EchoServer other(-1, 8090, "other");
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.reserve({published("a", "::1", 8090)})); }),
              testing::MatchesRegex("port \\[::1\\]:8090/tcp is in use by .*pid.*"));
  auto both = loop_.wait(networks_.reserve({published("a", "", 0)}));
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].port, both[1].port);
  EXPECT_EQ(both[1].host.str(), "::");
}

}  // namespace
}  // namespace pcompose::netns
