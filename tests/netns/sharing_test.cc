// Networks of several projects: who is told, who goes last, who comes back.
#include <poll.h>

#include <gmock/gmock.h>

#include "netns/endpoint_events.h"
#include "netns/firewall.h"
#include "netns/table_events.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

using testing::HasSubstr;

class SharingTest : public NetworksTest {
 protected:
  static ReplicaSpec of_project(const std::string& project, const std::string& name) {
    ReplicaSpec spec = replica(name, {"n1"});
    spec.project = project;
    spec.replica = project + "-" + name + "-1";
    return spec;
  }
  static bool readable(const Fd& fd, int milliseconds) {
    pollfd wait{fd.get(), POLLIN, 0};
    return ::poll(&wait, 1, milliseconds) == 1;
  }
};

TEST_F(SharingTest, OthersOnTheNetworkAreTold) {
  Fd watch = watch_endpoints(roots_);
  ensure(network("n1"));
  ReplicaNet a = make(of_project("shop", "a"));
  EXPECT_FALSE(readable(watch, 50)) << "nobody else is on it";
  ReplicaNet b = make(of_project("blog", "b"));
  EXPECT_TRUE(readable(watch, 1000));
  drain_endpoint_events(watch.get());
  EXPECT_FALSE(readable(watch, 50));
  loop_.wait(networks_.remove_replicas({"id-b"}));
  EXPECT_TRUE(readable(watch, 1000));
}

TEST_F(SharingTest, WhatNoRowKnowsIsFoundAndRemoved) {
  NetworkRow n1 = ensure(network("n1"));
  EXPECT_THAT(loop_.wait(networks_.strays()), testing::IsEmpty());
  Roots lost = roots_;  // the same host after its database was removed
  lost.state = "/run/lost";
  make_directories(lost.state);
  Networks after(lost);
  EXPECT_THAT(
      loop_.wait(after.strays()),
      testing::ElementsAre("the bridge " + n1.bridge, "the nftables table inet " + lost.tag));
  EXPECT_THAT(loop_.wait(after.remove_strays()), testing::IsEmpty());
  EXPECT_THAT(loop_.wait(after.strays()), testing::IsEmpty());
  EXPECT_FALSE(Kernel().link_exists(n1.bridge));
  EXPECT_FALSE(Firewall(roots_.tag).table_exists());
}

TEST_F(SharingTest, ANetworkGoesWithItsLastUser) {
  NetworkRow n1 = ensure(network("n1"));
  ReplicaNet b = make(of_project("blog", "b"));
  EXPECT_TRUE(loop_.wait(networks_.release_networks({"n1"}, "shop")).empty());
  EXPECT_EQ(loop_.wait(networks_.list()).size(), 1U);
  EXPECT_TRUE(loop_.wait(networks_.remove_replicas({"id-b"})).empty());
  EXPECT_TRUE(loop_.wait(networks_.list()).empty());
  EXPECT_FALSE(Kernel().link_exists(n1.bridge));
}

TEST_F(SharingTest, AProjectThatComesBackHasItsNetworkAgain) {
  ensure(network("n1"));
  ReplicaNet b = make(of_project("blog", "b"));
  loop_.wait(networks_.release_networks({"n1"}, "shop"));
  EXPECT_EQ(ensure(network("n1")).project, "shop");
  loop_.wait(networks_.remove_replicas({"id-b"}));
  EXPECT_EQ(loop_.wait(networks_.list()).size(), 1U) << "its project takes it down";
}

TEST_F(SharingTest, AHandMadeNetworkKeepsItsRowAndMakesItsBridgeForWhoComes) {
  NetworkSpec spec = network("n1");
  spec.project = "";
  NetworkRow n1 = ensure(spec);
  ReplicaNet a = make(of_project("shop", "a"));
  EXPECT_TRUE(loop_.wait(networks_.remove_replicas({"id-a"})).empty());
  EXPECT_FALSE(Kernel().link_exists(n1.bridge));
  EXPECT_FALSE(Firewall(roots_.tag).table_exists());
  ReplicaNet again = make(of_project("shop", "a"));
  EXPECT_EQ(again.endpoints[0].address->str(), "10.112.0.2");
  EXPECT_TRUE(Kernel().link_exists(n1.bridge));
  EXPECT_THAT(message_of([&] { ensure(network("n1")); }), HasSubstr("external: true"));
}

TEST_F(SharingTest, AFlushIsHeardAndPutRight) {
  Fd watch = watch_tables();
  ensure(network("n1"));
  ReplicaNet a = make(of_project("shop", "a"));
  EchoServer server(a.namespace_fd.get(), 80, "a");
  loop_.wait(networks_.publish({published("a", "", 8080)}));
  EXPECT_FALSE(drain_table_events(watch.get(), roots_.tag).ours_went);
  Firewall(roots_.tag).remove_table();
  EXPECT_TRUE(readable(watch, 1000));
  EXPECT_FALSE(drain_table_events(watch.get(), "another").ours_went);
  EXPECT_TRUE(loop_.wait(networks_.repair()));
  EXPECT_FALSE(loop_.wait(networks_.repair())) << "once";
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "a 10.112.0.1");
}

TEST_F(SharingTest, AContainerJoinsAndLeavesWhileItRuns) {
  ensure(network("n1"));
  ensure(network("n2"));
  ReplicaNet a = make(replica("a", {"n1"}));
  ReplicaNet b = make(replica("b", {"n2"}));
  EchoServer server(b.namespace_fd.get(), 80, "b");
  std::string address = b.endpoints[0].address->str();
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), address, 80, kSilence), "");
  ReplicaSpec join = replica("a", {"n2"});
  EndpointRow row = loop_.wait(networks_.connect(a.namespace_fd.duplicate(), join));
  EXPECT_EQ(row.interface, "eth1");
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), address, 80), "b " + row.address->str());
  EXPECT_THAT(message_of([&] { loop_.wait(networks_.connect(a.namespace_fd.duplicate(), join)); }),
              HasSubstr("is on the network n2 already"));
  loop_.wait(networks_.disconnect(a.namespace_fd.duplicate(), "id-a", "n2"));
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), address, 80, kSilence), "");
}

TEST_F(SharingTest, TheDefaultRoutePassesOn) {
  ensure(network("n1"));
  ensure(network("n2"));
  ReplicaNet a = make(replica("a", {"n1", "n2"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "192.168.7.1", "192.168.7.2");
  EchoServer world(lan.fd(), 80, "world");
  loop_.wait(networks_.disconnect(a.namespace_fd.duplicate(), "id-a", "n1"));
  EXPECT_EQ(tcp_ask(a.namespace_fd.get(), "192.168.7.2", 80), "world 192.168.7.1");
}

}  // namespace
}  // namespace pcompose::netns
