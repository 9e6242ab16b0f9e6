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
  store_.remove_network(shop().id);
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
  PortRow port{Ipv4{}, 8080, Protocol::udp, row.address, 80, "c1"};
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
