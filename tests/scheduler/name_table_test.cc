#include "scheduler/name_table.h"

#include <gtest/gtest.h>

namespace pcompose::scheduler {
namespace {

netns::EndpointRow endpoint(const std::string& network, const std::string& id,
                            const std::string& name, uint32_t address) {
  netns::EndpointRow e;
  e.network = network;
  e.container = id + std::string(64 - id.size(), '0');
  e.replica = name + "-1";
  e.names = {name};
  e.address = netns::Ipv4{address};
  return e;
}

class NameTableTest : public testing::Test {
 protected:
  NameTableTest() {
    inside_.id = "n2";
    inside_.reach = netns::Reach::internal;
    outside_.id = "n1";
    table_.rebuild(
        {endpoint("n1", "a", "web", 1), endpoint("n1", "b", "web", 2), endpoint("n1", "c", "db", 3),
         endpoint("n2", "c", "db", 4), endpoint("n2", "d", "cache", 5)},
        {outside_, inside_}, {std::string("b") + std::string(63, '0')});
  }
  static std::string scope(const std::string& id) { return id + std::string(12 - id.size(), '0'); }
  std::vector<netns::Ipv4> addresses(const std::string& id, const std::string& name) {
    return table_.find(scope(id), name).value().v4;
  }
  netns::NetworkRow inside_, outside_;
  NameTable table_;
};

TEST_F(NameTableTest, FindsWhatSharesANetworkAndRuns) {
  EXPECT_EQ(addresses("a", "web"), (std::vector<netns::Ipv4>{{1}}));
  EXPECT_EQ(addresses("a", "db"), (std::vector<netns::Ipv4>{{3}}));
  EXPECT_FALSE(table_.find(scope("a"), "cache"));
  EXPECT_EQ(addresses("c", "cache"), (std::vector<netns::Ipv4>{{5}}));
}

TEST_F(NameTableTest, WhatDoesNotRunYetMayAskButIsNotFound) {
  EXPECT_EQ(addresses("b", "db"), (std::vector<netns::Ipv4>{{3}}));
  EXPECT_EQ(table_.reverse(scope("a"), netns::Ipv4{2}), std::nullopt);
  EXPECT_EQ(table_.reverse(scope("a"), netns::Ipv4{3}), "db-1");
}

TEST_F(NameTableTest, WhatIsJustMadeAnewIsKnownWithoutAnAddress) {
  table_.know("n1", {"Later", "web"});
  table_.know("nowhere", {"lost"});
  EXPECT_EQ(addresses("a", "later"), std::vector<netns::Ipv4>());
  EXPECT_EQ(addresses("a", "web"), (std::vector<netns::Ipv4>{{1}}));
  EXPECT_FALSE(table_.find(scope("d"), "later")) << "on another network";
  EXPECT_FALSE(table_.find(scope("a"), "lost"));
}

TEST_F(NameTableTest, UnhealthyReplicasComeLast) {
  table_.rebuild({endpoint("n1", "a", "web", 1), endpoint("n1", "b", "web", 2)}, {outside_}, {},
                 {std::string("a") + std::string(63, '0')});
  auto found = table_.find(scope("a"), "web").value();
  EXPECT_EQ(found.v4, (std::vector<netns::Ipv4>{{2}}));
  EXPECT_EQ(found.v4_last, (std::vector<netns::Ipv4>{{1}}));
}

TEST_F(NameTableTest, TheHostIsTheGatewayOfTheDefaultRoute) {
  outside_.gateway = {100};
  inside_.gateway = {200};
  auto second = endpoint("n1", "a", "web", 1);
  second.is_default = true;
  table_.rebuild({endpoint("n2", "a", "web", 9), second}, {outside_, inside_}, {});
  EXPECT_EQ(addresses("a", "host.docker.internal"), (std::vector<netns::Ipv4>{{100}}));
  EXPECT_FALSE(table_.find(scope("x"), "host.docker.internal")) << "it is on no network";
}

TEST_F(NameTableTest, InternalNetworksDoNotAskOutside) {
  EXPECT_TRUE(table_.may_leave(scope("a")));
  EXPECT_TRUE(table_.may_leave(scope("c")));
  EXPECT_FALSE(table_.may_leave(scope("d")));
}

}  // namespace
}  // namespace pcompose::scheduler
