#include "netns/subnet.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::netns {
namespace {

Prefix prefix(const char* text) { return Prefix::parse(text).value(); }
Ipv4 address(const char* text) { return Ipv4::parse(text).value(); }

TEST(Ipv4Test, ParsesFourDecimalParts) {
  EXPECT_EQ(address("10.1.2.3").value, 0x0a010203U);
  EXPECT_EQ(address("255.255.255.255").str(), "255.255.255.255");
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "256.1.1.1", "01.2.3.4",
                          "1.2.3.4 ", "a.b.c.d", "-1.2.3.4", "1..2.3", "0x1.2.3.4", "1.2.3.1000"}) {
    EXPECT_FALSE(Ipv4::parse(bad)) << bad;
  }
}

TEST(PrefixTest, ClearsHostBitsAndKnowsItsEdges) {
  EXPECT_EQ(prefix("10.1.2.3/24").str(), "10.1.2.0/24");
  EXPECT_EQ(prefix("10.1.2.0/22").str(), "10.1.0.0/22");
  EXPECT_EQ(prefix("10.1.0.0/22").last().str(), "10.1.3.255");
  EXPECT_EQ(prefix("10.1.0.0/22").first().str(), "10.1.0.1");
  EXPECT_TRUE(prefix("0.0.0.0/0").contains(address("8.8.8.8")));
  for (const char* bad :
       {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "/8", "10.0.0.0/08"}) {
    EXPECT_FALSE(Prefix::parse(bad)) << bad;
  }
}

TEST(PrefixTest, Overlaps) {
  EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.3.0.0/16")));
  EXPECT_TRUE(prefix("10.3.0.0/16").overlaps(prefix("10.0.0.0/8")));
  EXPECT_FALSE(prefix("10.2.0.0/16").overlaps(prefix("10.3.0.0/16")));
}

TEST(MacTest, ParsesUnicastAndDerivesFromTheAddress) {
  EXPECT_EQ(Mac::parse("02:42:ac:11:00:02")->str(), "02:42:ac:11:00:02");
  EXPECT_EQ(Mac::of(address("10.112.0.5")).str(), "02:70:0a:70:00:05");
  for (const char* bad :
       {"", "01:42:ac:11:00:02", "02-42-ac-11-00-02", "02:42:ac:11:00", "0g:42:ac:11:00:02"}) {
    EXPECT_FALSE(Mac::parse(bad)) << bad;
  }
}

TEST(PickSubnetTest, AvoidsWhatIsTaken) {
  EXPECT_EQ(pick_subnet(default_pools(), {}).str(), "10.112.0.0/22");
  std::vector<Prefix> taken{prefix("10.112.0.0/22"), prefix("10.112.4.0/24")};
  EXPECT_EQ(pick_subnet(default_pools(), taken).str(), "10.112.8.0/22");
  taken.push_back(prefix("10.0.0.0/8"));  // a VPN's route
  EXPECT_EQ(pick_subnet(default_pools(), taken).str(), "172.28.0.0/22");
  taken.push_back(prefix("0.0.0.0/0"));  // the default route takes nothing
  EXPECT_EQ(pick_subnet(default_pools(), taken).str(), "172.28.0.0/22");
  taken.push_back(prefix("172.16.0.0/12"));
  EXPECT_THROW(pick_subnet(default_pools(), taken), Error);
}

TEST(PickAddressTest, GoesRoundOnceAndLeavesTheEdges) {
  Prefix small = prefix("10.0.0.0/30");
  EXPECT_EQ(pick_address(small, {}, Ipv4{})->str(), "10.0.0.1");
  EXPECT_EQ(pick_address(small, {}, address("10.0.0.1"))->str(), "10.0.0.2");
  EXPECT_EQ(pick_address(small, {}, address("10.0.0.2"))->str(), "10.0.0.1");
  EXPECT_EQ(pick_address(small, {address("10.0.0.1")}, Ipv4{})->str(), "10.0.0.2");
  EXPECT_FALSE(pick_address(small, {address("10.0.0.1"), address("10.0.0.2")}, Ipv4{}));
  EXPECT_FALSE(pick_address(prefix("10.0.0.0/31"), {}, Ipv4{}));
}

}  // namespace
}  // namespace pcompose::netns
