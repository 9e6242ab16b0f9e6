#include "netns/network_store.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::netns {
namespace {

NetworkRow shop(const char* subnet = "10.112.0.0/29") {
  NetworkRow row;
  row.id = "aabbccddeeff";
  row.name = "shop_default";
  row.project = "shop";
  row.key = "default";
  row.bridge = "pc-aabbccdd";
  row.subnet = Prefix::parse(subnet).value();
  row.gateway = row.subnet.first();
  row.labels = {{"a", "b\"'c"}};
  return row;
}

EndpointRow endpoint(const std::string& container, Ipv4 address) {
  EndpointRow row;
  row.network = shop().id;
  row.container = container;
  row.project = "shop";
  row.service = "web";
  row.replica = "shop-web-1";
  row.names = {"web", "shop-web-1"};
  row.interface = "eth0";
  row.link = "pcv-1";
  row.address = address;
  row.mac = Mac::of(address);
  return row;
}

class NetworkStoreTest : public testing::Test {
 protected:
  Database db_{":memory:"};
  NetworkStore store_{db_, "boot-1"};
};

TEST_F(NetworkStoreTest, KeepsNetworks) {
  EXPECT_TRUE(store_.insert(shop()));
  EXPECT_FALSE(store_.insert(shop())) << "the name is taken";
  EXPECT_EQ(store_.network("shop_default"), shop());
  EXPECT_EQ(store_.networks_of("shop").size(), 1U);
  EXPECT_TRUE(store_.networks_of("other").empty());
  store_.remove_networks({shop()});
  EXPECT_FALSE(store_.network("shop_default"));
}

TEST_F(NetworkStoreTest, LeasesStickToTheirOwner) {
  store_.insert(shop());
  EXPECT_EQ(store_.lease(shop(), "shop/web-1", {}).str(), "10.112.0.2");
  EXPECT_EQ(store_.lease(shop(), "shop/web-2", {}).str(), "10.112.0.3");
  EXPECT_EQ(store_.lease(shop(), "shop/web-1", {}).str(), "10.112.0.2");
}

TEST_F(NetworkStoreTest, AFullSubnetTakesOverUnusedLeases) {
  store_.insert(shop());
  for (int i = 0; i < 5; ++i) {
    Ipv4 address = store_.lease(shop(), "old/" + std::to_string(i), {});
    if (i > 0) store_.insert(endpoint("c" + std::to_string(i), address));
  }
  EXPECT_EQ(store_.lease(shop(), "new/1", {}).str(), "10.112.0.2");
  store_.insert(endpoint("c0", *Ipv4::parse("10.112.0.2")));
  EXPECT_THROW(store_.lease(shop(), "new/2", {}), Error);
}

TEST_F(NetworkStoreTest, EverythingOfANetworkIsKept) {
  NetworkRow row = shop();
  row.subnet6 = Prefix6::parse("fd00:1::/64");
  row.gateway6 = row.subnet6->at(1);
  row.options.driver = Driver::macvlan;
  row.options.parent = "eth0";
  row.options.mode = "vepa";
  row.options.mtu = 1400;
  row.options.talk = row.options.masquerade = false;
  row.options.host_binding = "127.0.0.1";
  row.options.interface_prefix = "net";
  row.options.range = Prefix::parse("10.112.0.4/30");
  row.options.range6 = Prefix6::parse("fd00:1::100/120");
  row.options.aux = {{"router", "10.112.0.6"}};
  row.options.written = {{"mtu", "1400"}};
  row.options.attachable = true;
  row.options.created_ns = 1;
  EXPECT_TRUE(store_.insert(row));
  EXPECT_EQ(store_.network("shop_default"), row);
  row.ipv4 = false;
  row.subnet = {};
  row.name = "other";
  row.id = row.bridge = "b";
  EXPECT_TRUE(store_.insert(row));
  EXPECT_EQ(store_.network("other"), row);
  store_.set_released("b");
  EXPECT_TRUE(store_.is_released("b"));
  EXPECT_EQ(store_.network("other")->project, "");
}

TEST_F(NetworkStoreTest, DynamicAddressesComeFromTheRangeAndNeverFromTheOthers) {
  NetworkRow row = shop("10.112.0.0/24");
  row.options.range = Prefix::parse("10.112.0.64/30");
  row.options.aux = {{"router", "10.112.0.65"}};
  store_.insert(row);
  EXPECT_EQ(store_.lease(row, "shop/a", Ipv4::parse("10.112.0.66")).str(), "10.112.0.66");
  EXPECT_EQ(store_.lease(row, "shop/b", {}).str(), "10.112.0.67");
  EXPECT_EQ(store_.lease(row, "shop/c", {}).str(), "10.112.0.64");
  EXPECT_THROW(store_.lease(row, "shop/d", Ipv4::parse("10.112.0.65")), Error) << "an aux address";
}

TEST_F(NetworkStoreTest, Ipv6AddressesLookLikeTheIpv4Ones) {
  NetworkRow row = shop();
  row.subnet6 = Prefix6::parse("fd00:1::/64");
  row.gateway6 = row.subnet6->at(1);
  store_.insert(row);
  EXPECT_EQ(store_.lease(row, "shop/web-1", Ipv4::parse("10.112.0.5")).str(), "10.112.0.5");
  EXPECT_EQ(store_.lease6(row, "shop/web-1", {}).str(), "fd00:1::5");
  EXPECT_EQ(store_.lease6(row, "shop/web-1", {}).str(), "fd00:1::5");
  EXPECT_EQ(store_.lease6(row, "shop/db", Ipv6::parse("fd00:1::6")).str(), "fd00:1::6");
  EXPECT_EQ(store_.lease(row, "shop/web-2", {}).str(), "10.112.0.6");
  EXPECT_EQ(store_.lease6(row, "shop/web-2", {}).str(), "fd00:1::7");
  EXPECT_THROW(store_.lease6(row, "shop/x", Ipv6::parse("fd00:1::1")), Error) << "the gateway";
  EXPECT_THROW(store_.lease6(row, "shop/x", Ipv6::parse("fd00:2::9")), Error);
}

TEST_F(NetworkStoreTest, WantedAddresses) {
  store_.insert(shop());
  Ipv4 wanted = *Ipv4::parse("10.112.0.5");
  EXPECT_EQ(store_.lease(shop(), "shop/db-1", wanted), wanted);
  store_.insert(endpoint("c1", wanted));
  EXPECT_THROW(store_.lease(shop(), "shop/db-2", wanted), Error);
  for (const char* bad : {"10.112.0.0", "10.112.0.1", "10.112.0.7", "10.113.0.2"}) {
    EXPECT_THROW(store_.lease(shop(), "shop/db-3", Ipv4::parse(bad)), Error) << bad;
  }
}

TEST_F(NetworkStoreTest, EndpointsAndPortsEndWithTheBoot) {
  store_.insert(shop());
  EndpointRow row = endpoint("c1", *Ipv4::parse("10.112.0.2"));
  row.address6 = Ipv6::parse("fd00:1::2");
  PortRow port{Ipv6{}, 8080, Protocol::udp, *row.address6, 80, "c1"};
  store_.insert(row);
  store_.insert(port);
  EXPECT_EQ(store_.endpoints_on(shop().id), std::vector{row});
  EXPECT_EQ(store_.endpoints_of("c1"), std::vector{row});
  EXPECT_EQ(store_.ports_of("c1"), std::vector{port});
  NetworkStore same_boot(db_, "boot-1");
  EXPECT_EQ(same_boot.endpoints().size(), 1U);
  NetworkStore next_boot(db_, "boot-2");
  EXPECT_TRUE(next_boot.endpoints().empty());
  EXPECT_TRUE(next_boot.ports().empty());
  EXPECT_EQ(next_boot.networks().size(), 1U);
}

}  // namespace
}  // namespace pcompose::netns
