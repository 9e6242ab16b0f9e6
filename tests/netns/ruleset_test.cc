// The firewall's texts, literally: a change here is a change of what the host lets through.
#include <gtest/gtest.h>

#include "base/error.h"
#include "netns/firewall.h"

namespace pcompose::netns {
namespace {

NetworkRow network(Reach reach) {
  NetworkRow row;
  row.bridge = "pc-aabbccdd";
  row.subnet = Prefix::parse("10.112.0.0/22").value();
  row.reach = reach;
  return row;
}

PortRow port(const char* host, uint16_t number, Protocol protocol) {
  return {Ip::parse(host).value(), number, protocol, Ipv4::parse("10.112.0.2").value(), 80, "c"};
}

TEST(RulesetTest, ElementsOfANetwork) {
  EXPECT_EQ(render_network("pcompose", Change::add, network(Reach::outside)),
            R"(add element inet pcompose bridges { "pc-aabbccdd" }
add element inet pcompose same { "pc-aabbccdd" . "pc-aabbccdd" }
add element inet pcompose own4 { "pc-aabbccdd" . 10.112.0.0/22 }
add element inet pcompose nat4 { 10.112.0.0/22 }
)");
  EXPECT_EQ(render_network("pcompose", Change::remove, network(Reach::internal)),
            R"(delete element inet pcompose bridges { "pc-aabbccdd" }
delete element inet pcompose same { "pc-aabbccdd" . "pc-aabbccdd" }
delete element inet pcompose own4 { "pc-aabbccdd" . 10.112.0.0/22 }
delete element inet pcompose internal { "pc-aabbccdd" }
)");
}

TEST(RulesetTest, ElementsOfANetworkWithIpv6) {
  NetworkRow row = network(Reach::outside);
  row.ipv4 = false;
  row.subnet6 = Prefix6::parse("fd00:1::/64");
  EXPECT_EQ(render_network("pcompose", Change::add, row),
            R"(add element inet pcompose bridges { "pc-aabbccdd" }
add element inet pcompose same { "pc-aabbccdd" . "pc-aabbccdd" }
add element inet pcompose own6 { "pc-aabbccdd" . fd00:1::/64 }
add element inet pcompose nat6 { fd00:1::/64 }
)");
  row.options.masquerade = false;
  EXPECT_EQ(render_network("pcompose", Change::add, row).find("nat6"), std::string::npos);
}

TEST(RulesetTest, OnlyWhatIpv6TranslatesIsAnElement) {
  Ip target = Ip::parse("fd00:1::2").value();
  std::vector<PortRow> ports{
      {Ip::parse("::").value(), 80, Protocol::tcp, target, 81, "c"},
      {Ip::parse("2001:db8::1").value(), 80, Protocol::udp, target, 81, "c"},
      {Ip::parse("::1").value(), 80, Protocol::tcp, target, 81, "c"},
      {Ip::parse("::").value(), 82, Protocol::tcp, Ip::parse("10.0.0.2").value(), 81, "c"}};
  EXPECT_EQ(render_ports("pcompose", Change::add, ports),
            R"(add element inet pcompose pub6 { 2001:db8::1 . udp . 80 : fd00:1::2 . 81 }
add element inet pcompose pub6_any { tcp . 80 : fd00:1::2 . 81 }
)");
  EXPECT_TRUE(ports[0].is_spliced());
  EXPECT_FALSE(ports[1].is_spliced());
  EXPECT_TRUE(ports[2].is_spliced());
  EXPECT_TRUE(ports[3].is_spliced());
}

TEST(RulesetTest, PortsOfOneMapAreOneCommand) {
  std::vector<PortRow> ports{port("0.0.0.0", 8080, Protocol::tcp),
                             port("0.0.0.0", 53, Protocol::udp),
                             port("127.0.0.1", 8081, Protocol::tcp)};
  EXPECT_EQ(render_ports("pcompose", Change::add, ports),
            R"(add element inet pcompose pub4 { 127.0.0.1 . tcp . 8081 : 10.112.0.2 . 80 }
add element inet pcompose pub4_any { tcp . 8080 : 10.112.0.2 . 80, udp . 53 : 10.112.0.2 . 80 }
)");
  EXPECT_EQ(render_ports("pcompose", Change::remove, ports),
            R"(delete element inet pcompose pub4 { 127.0.0.1 . tcp . 8081 }
delete element inet pcompose pub4_any { tcp . 8080, udp . 53 }
)");
  EXPECT_EQ(render_ports("pcompose", Change::add, {}), "");
}

TEST(RulesetTest, ForeignLinksFollowTheTable) {
  std::vector<std::string> foreign{"eth0"};
  EXPECT_TRUE(render_table("pcompose-1a2b3c").starts_with("table inet pcompose-1a2b3c {\n"));
  EXPECT_EQ(render_foreign("pcompose-1a2b3c", Family::v6, foreign),
            "add element inet pcompose-1a2b3c foreign6 { \"eth0\" }\n");
}

TEST(RulesetTest, AnswersToClientsAreMarked) {
  EXPECT_EQ(render_answers("pcompose-test", 0x70c),
            "add chain inet pcompose-test answers { type filter hook prerouting priority mangle; "
            "policy accept; }\nadd rule inet pcompose-test answers iifname @bridges socket "
            "transparent 1 meta mark set 0x70c\n");
  EXPECT_THROW(render_answers("x; y", 1), Error);
}

TEST(RulesetTest, NamesThatNftWouldReadAsMoreAreRefused) {
  for (const char* bad : {"", "a b", "a;flush ruleset", "a\"", "a}", "a\n", "$x", "1a", "-a"}) {
    EXPECT_THROW(render_table(bad), Error) << bad;
  }
  NetworkRow row = network(Reach::outside);
  row.bridge = "x\" }; flush ruleset";
  EXPECT_THROW(render_network("pcompose", Change::add, row), Error);
}

}  // namespace
}  // namespace pcompose::netns
