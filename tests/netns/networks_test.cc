// The facade against the real kernel: networks, endpoints, published ports, isolation, teardown.
#include "netns/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netns/firewall.h"
#include "netns/listeners.h"
#include "netns/sysctl.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

using testing::HasSubstr;

TEST_F(NetworksTest, MakingIsIdempotentAndRemovingIsToo) {
  NetworkRow first = loop_.wait(networks_.ensure_network(network("n1")));
  EXPECT_EQ(first.subnet.str(), "10.112.0.0/22");
  EXPECT_EQ(loop_.wait(networks_.ensure_network(network("n1"))), first);
  EXPECT_EQ(loop_.wait(networks_.use_network("n1")), first);
  EXPECT_EQ(loop_.wait(networks_.ensure_network(network("n2"))).subnet.str(), "10.112.4.0/22");
  EXPECT_TRUE(loop_.wait(networks_.remove_network("n1")).empty());
  EXPECT_TRUE(loop_.wait(networks_.remove_network("n1")).empty());
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.use_network("n1")); }),
              HasSubstr("declared as external, but could not be found"));
}

TEST_F(NetworksTest, BadNetworksAreRefused) {
  NetworkSpec spec = network("bad");
  spec.pools = {{"10.112.0.0"}};
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.ensure_network(spec)); }),
              HasSubstr("not a subnet"));
  spec.pools = {{"10.5.0.0/16", "10.6.0.1"}};
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.ensure_network(spec)); }),
              HasSubstr("not an address of 10.5.0.0/16"));
  loop_.wait(networks_.ensure_network(network("n1")));
  spec.pools = {{"10.0.0.0/8"}};
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.ensure_network(spec)); }),
              HasSubstr("overlaps 10.112.0.0/22 of the network n1"));
  EXPECT_THAT(message_of([&] {
                NetworkSpec other = network("n1", Reach::internal);
                other.project = "another";
                loop_.wait(networks_.ensure_network(other));
              }),
              HasSubstr("would have to be made anew with no way out"));
}

// They go to the firewall together; what fails of them fails alone, before and after that.
TEST_F(NetworksTest, OfManyAtOnceEachHasItsOwnOutcome) {
  std::map<std::string, std::string> outcomes;
  auto ensure = [&](NetworkSpec spec) -> Task<> {
    std::string name = spec.name;
    try {
      outcomes[name] = (co_await networks_.ensure_network(std::move(spec))).subnet.str();
    } catch (const Error& e) {
      outcomes[name] = e.what();
    }
  };
  NetworkSpec overlapping = network("overlaps"), first = network("first"), taken = network("taken"),
              refused = network("refused");
  overlapping.pools = {{"10.112.0.0/16"}};
  first.driver_opts = taken.driver_opts = {{"com.docker.network.bridge.name", "same"}};
  refused.driver_opts = {{"com.docker.network.bridge.name", "all"}};  // by the kernel
  loop_.wait([&]() -> Task<> {
    TaskGroup group(co_await asio::this_coro::executor);
    for (const NetworkSpec& spec :
         {network("n1"), overlapping, first, taken, refused, network("n2")})
      group.spawn(ensure(spec));
    co_await group.join();
  }());
  EXPECT_EQ(outcomes["n1"], "10.112.0.0/22");
  EXPECT_EQ(outcomes["n2"], "10.112.12.0/22");
  EXPECT_EQ(outcomes["first"], "10.112.4.0/22");
  EXPECT_THAT(outcomes["overlaps"], HasSubstr("overlaps 10.112.0.0/22 of the network n1"));
  EXPECT_THAT(outcomes["taken"], HasSubstr("another network has the link same already"));
  EXPECT_THAT(outcomes["refused"], HasSubstr("Invalid argument"));
}

TEST_F(NetworksTest, ContainersOfANetworkReachEachOtherAndNoOther) {
  loop_.wait(networks_.ensure_network(network("n1")));
  loop_.wait(networks_.ensure_network(network("n2")));
  auto made =
      loop_.wait(networks_.make_replicas({replica("a", {"n1"}), replica("b", {"n1"}),
                                          replica("c", {"n2"}), replica("d", {"n1", "n2"})}));
  int a = made[0].namespace_fd.get();
  int c = made[2].namespace_fd.get();
  EchoServer b(made[1].namespace_fd.get(), 80, "b");
  EchoServer d(made[3].namespace_fd.get(), 80, "d");
  EXPECT_EQ(made[1].endpoints[0].address->str(), "10.112.0.3");
  EXPECT_EQ(tcp_ask(a, "10.112.0.3", 80), "b 10.112.0.2");
  EXPECT_EQ(tcp_ask(c, "10.112.0.3", 80, kSilence), "") << "another network";
  EXPECT_EQ(tcp_ask(c, made[3].endpoints[1].address->str(), 80), "d 10.112.4.2");
  EXPECT_EQ(made[3].endpoints[1].interface, "eth1");
}

TEST_F(NetworksTest, AddressesStickToTheReplica) {
  loop_.wait(networks_.ensure_network(network("n1")));
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  ReplicaSpec again = replica("a", {"n1"});
  again.container = "id-a2";
  EXPECT_TRUE(loop_.wait(networks_.remove_replicas({"id-a"})).empty());
  a = loop_.wait(networks_.make_replica(again));
  EXPECT_EQ(a.endpoints[0].address->str(), "10.112.0.2");
}

TEST_F(NetworksTest, AFailureUndoesAllOfItsBatch) {
  loop_.wait(networks_.ensure_network(network("n1")));
  std::string text = message_of([&] {
    loop_.wait(networks_.make_replicas({replica("a", {"n1"}), replica("b", {"missing"})}));
  });
  EXPECT_THAT(text, HasSubstr("connect shop-b-1: the network missing does not exist"));
  EXPECT_TRUE(loop_.wait(networks_.endpoints()).empty());
}

TEST_F(NetworksTest, PublishedPorts) {
  NetworkRow n1 = loop_.wait(networks_.ensure_network(network("n1")));
  loop_.wait(networks_.ensure_network(network("n2")));
  auto made = loop_.wait(
      networks_.make_replicas({replica("a", {"n1"}), replica("b", {"n1"}), replica("c", {"n2"})}));
  EchoServer a(made[0].namespace_fd.get(), 80, "a");
  std::vector<PublishSpec> ports{published("a", "", 8080), published("a", "", 8080, Protocol::udp),
                                 published("a", "127.0.0.1", 8081)};
  auto reserved = loop_.wait(networks_.reserve(ports));
  loop_.wait(networks_.publish(ports));
  loop_.wait(networks_.publish(ports));  // once more: idempotent
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "a 10.112.0.1");
  EXPECT_EQ(udp_ask(-1, "127.0.0.1", 8080, "x"), "a 10.112.0.1");
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8081), "a 10.112.0.1");
  EXPECT_EQ(tcp_ask(-1, n1.gateway.str(), 8080), "a 10.112.0.1");
  EXPECT_EQ(tcp_ask(-1, n1.gateway.str(), 8081, kSilence), "") << "published on 127.0.0.1 only";
  EXPECT_EQ(tcp_ask(made[1].namespace_fd.get(), n1.gateway.str(), 8080), "a 10.112.0.1")
      << "sibling";
  EXPECT_EQ(tcp_ask(made[0].namespace_fd.get(), n1.gateway.str(), 8080), "a 10.112.0.1")
      << "itself";
  EXPECT_EQ(tcp_ask(made[2].namespace_fd.get(), "10.112.4.1", 8080), "a 10.112.4.2")
      << "other network";
  EXPECT_TRUE(loop_.wait(networks_.unpublish({"id-a"})).empty());
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080, kSilence), "");
  EXPECT_TRUE(loop_.wait(networks_.ports()).empty());
}

TEST_F(NetworksTest, TheHostsLoopbackIsOutOfReach) {
  NetworkRow n1 = loop_.wait(networks_.ensure_network(network("n1")));
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  EchoServer host(-1, 9000, "host");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), n1.gateway.str(), 9000), "host 10.112.0.2");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "127.0.0.1", 9000, kSilence), "");
}

TEST_F(NetworksTest, OutsideComesInByPublishedPortsOnlyAndInternalNetworksStayIn) {
  loop_.wait(networks_.ensure_network(network("n1")));
  NetworkRow in = loop_.wait(networks_.ensure_network(network("in", Reach::internal)));
  auto made = loop_.wait(networks_.make_replicas({replica("a", {"n1"}), replica("b", {"in"})}));
  int inside = made[1].namespace_fd.get();
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  EchoServer a(made[0].namespace_fd.get(), 80, "a");
  EchoServer world(lan.fd(), 80, "world");
  loop_.wait(networks_.publish({published("a", "", 8080)}));
  EXPECT_EQ(tcp_ask(lan.fd(), "192.168.7.1", 8080), "a 192.168.7.2") << "the client's address";
  EXPECT_EQ(tcp_ask(lan.fd(), "10.112.0.2", 80, kSilence), "");
  EXPECT_EQ(tcp_ask(made[0].namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
  EXPECT_EQ(tcp_ask(inside, "192.168.7.2", 80, kSilence), "") << "no default route";
  add_default_route(inside, in.gateway.str());
  add_default_route(lan.fd(), "192.168.7.1");  // so that only our rule is in the way
  EXPECT_EQ(tcp_ask(inside, "192.168.7.2", 80, kSilence), "") << "not even with one";
  EXPECT_EQ(tcp_ask(inside, in.gateway.str(), 8080), "a " + made[1].endpoints[0].address->str());
}

TEST_F(NetworksTest, ForwardingIsForUsAndForWhoComesLater) {
  Kernel kernel;
  Lan lan0(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  Lan lan1(kernel, "lan1", "192.168.8.1", "192.168.8.2");
  EchoServer server(lan0.fd(), 80, "lan0");
  loop_.wait(networks_.ensure_network(network("n1")));
  EXPECT_EQ(read_sysctl("net/ipv4/ip_forward"), "1");
  EXPECT_EQ(tcp_ask(lan1.fd(), "192.168.7.2", 80, kSilence), "")
      << "the host did not forward before us";
  {
    Lan later(kernel, "lan2", "192.168.9.1", "192.168.9.2");
    EXPECT_EQ(tcp_ask(later.fd(), "192.168.7.2", 80), "lan0 192.168.9.2");
  }
}

TEST_F(NetworksTest, AFlushedRulesetIsPutBack) {
  loop_.wait(networks_.ensure_network(network("n1")));
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  EchoServer server(a.namespace_fd.get(), 80, "a");
  loop_.wait(networks_.publish({published("a", "", 8080)}));
  Firewall(roots_.tag).remove_table();
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080, kSilence), "");
  loop_.wait(networks_.ensure_network(network("n2")));
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "a 10.112.0.1");
}

// What is left where a process died between two steps.
TEST_F(NetworksTest, HalfMadeNetworksAreCompletedOrRemoved) {
  NetworkRow n1 = loop_.wait(networks_.ensure_network(network("n1")));
  Kernel kernel;
  kernel.delete_bridge(n1.bridge);  // row and rules without a bridge
  EXPECT_EQ(loop_.wait(networks_.ensure_network(network("n1"))), n1);
  EXPECT_TRUE(kernel.link_exists(n1.bridge));
  Firewall(roots_.tag).remove_table();  // a bridge without rules
  loop_.wait(networks_.use_network("n1"));
  EXPECT_TRUE(Firewall(roots_.tag).table_exists());
  {
    ReplicaNet died = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  }
  EXPECT_TRUE(loop_.wait(networks_.remove_replicas({"id-a", "id-unknown"})).empty());
  Firewall(roots_.tag).remove_table();
  kernel.delete_bridge(n1.bridge);  // a row alone
  EXPECT_TRUE(loop_.wait(networks_.remove_network("n1")).empty());
  EXPECT_TRUE(loop_.wait(networks_.list()).empty());
}

TEST_F(NetworksTest, ProcessesMakeAndRemoveAtTheSameTime) {
  auto work = [&](const std::string& name) {
    Networks own(roots_);
    TestLoop loop;
    for (int i = 0; i < 10; ++i) {
      loop.wait(own.ensure_network(network(name)));
      ReplicaNet made = loop.wait(own.make_replica(replica(name, {name})));
      loop.wait(own.publish({published(name, "", name == "x" ? 8100 : 8101)}));
      EXPECT_TRUE(loop.wait(own.remove_replicas({"id-" + name})).empty());
      EXPECT_TRUE(loop.wait(own.remove_network(name)).empty());
    }
  };
  std::thread x([&] { work("x"); });
  std::thread y([&] { work("y"); });
  x.join();
  y.join();
  EXPECT_TRUE(loop_.wait(networks_.ports()).empty());
}

TEST_F(NetworksTest, ALeftOverElementOfAnotherTargetIsReplaced) {
  loop_.wait(networks_.ensure_network(network("n1")));
  auto made = loop_.wait(networks_.make_replicas({replica("a", {"n1"}), replica("b", {"n1"})}));
  EchoServer b(made[1].namespace_fd.get(), 80, "b");
  loop_.wait(networks_.publish({published("a", "", 8080), published("a", "", 8081)}));
  loop_.wait(networks_.publish({published("b", "", 8080)}));
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "b 10.112.0.1");
}

TEST_F(NetworksTest, ConflictsNameTheHolder) {
  EchoServer other(-1, 8090, "other");
  std::string text =
      message_of([&] { loop_.wait(networks_.reserve({published("a", "127.0.0.1", 8090)})); });
  EXPECT_THAT(text,
              testing::MatchesRegex("port 127.0.0.1:8090/tcp is in use by .* \\(pid [0-9]+\\) "
                                    "\\(port 8091 is free\\)"));
  EXPECT_THAT(
      message_of([&] { loop_.wait(networks_.reserve({published("a", "", 8090, Protocol::udp)})); }),
      HasSubstr("port 8090/udp is in use by"));
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.reserve({published("a", "::9", 80)})); }),
              HasSubstr("no link of this host has the address ::9"));
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.reserve({published("a", "10.1.2.3", 80)})); }),
              HasSubstr("no link of this host has the address 10.1.2.3"));
}

TEST_F(NetworksTest, ConflictsWithOurOwnNameTheProject) {
  loop_.wait(networks_.ensure_network(network("n1")));
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  auto held = loop_.wait(networks_.reserve({published("a", "", 8080)}));
  loop_.wait(networks_.publish({published("a", "", 8080)}));
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.reserve({published("b", "", 8080)})); }),
              HasSubstr("port 8080/tcp is in use by shop-a-1 of the project shop"));
  auto any = loop_.wait(networks_.reserve({published("b", "", 0)}));
  EXPECT_NE(any[0].port, 0);
}

TEST_F(NetworksTest, ANetworkInUseIsNotRemoved) {
  loop_.wait(networks_.ensure_network(network("n1")));
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.remove_network("n1")); }),
              HasSubstr("the network n1 is in use by shop-a-1"));
}

TEST_F(NetworksTest, WithoutNetworksThereIsLoopbackOnly) {
  ReplicaNet none = loop_.wait(networks_.make_replica(replica("a", {})));
  EXPECT_FALSE(none.dns.udp);
  EXPECT_TRUE(none.endpoints.empty());
  EchoServer server(none.namespace_fd.get(), 80, "a");
  EXPECT_EQ(tcp_ask(none.namespace_fd.get(), "127.0.0.1", 80), "a 127.0.0.1");
}

TEST_F(NetworksTest, TwoProcessesOfOneRootShareNetworks) {
  Networks other(roots_);
  NetworkRow n1 = loop_.wait(networks_.ensure_network(network("n1")));
  EXPECT_EQ(loop_.wait(other.use_network("n1")), n1);
  ReplicaNet a = loop_.wait(networks_.make_replica(replica("a", {"n1"})));
  ReplicaNet b = loop_.wait(other.make_replica(replica("b", {"n1"})));
  EchoServer server(b.namespace_fd.get(), 80, "b");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), b.endpoints[0].address->str(), 80), "b 10.112.0.2");
  EXPECT_EQ(loop_.wait(other.endpoints()).size(), 2U);
}

}  // namespace
}  // namespace pcompose::netns
