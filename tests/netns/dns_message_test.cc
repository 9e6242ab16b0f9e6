#include "netns/dns_message.h"

#include <gtest/gtest.h>

#include "netns/dns_wire.h"

namespace pcompose::netns {
namespace {

Bytes query_bytes(const std::string& name, uint16_t type, std::optional<uint16_t> edns = {}) {
  DnsWriter out;
  DnsHeader header;
  header.id = 0x1234;
  header.flags = kFlagRecursionDesired;
  header.questions = 1;
  header.additionals = edns ? 1 : 0;
  out.header(header);
  out.name(name);
  out.u16(type);
  out.u16(kClassInternet);
  if (edns) {
    out.u8(0);
    out.u16(kTypeOpt);
    out.u16(*edns);
    out.u32(0);
    out.u16(0);
  }
  return out.bytes;
}

DnsQuery query(const std::string& name, uint16_t type, std::optional<uint16_t> edns = {}) {
  return parse_query(query_bytes(name, type, edns)).query.value();
}

DnsHeader header_of(const Bytes& message) {
  DnsHeader header;
  EXPECT_TRUE(DnsReader(message).header(header));
  return header;
}

std::vector<Ipv4> many(uint32_t n) {
  std::vector<Ipv4> out;
  for (uint32_t i = 0; i < n; ++i) out.push_back(Ipv4{0x0a700000 + i});
  return out;
}

TEST(ParseQueryTest, ReadsNameTypeAndSize) {
  DnsQuery q = query("Web.Shop_Default", 1, 1232);
  EXPECT_EQ(q.id, 0x1234);
  EXPECT_EQ(q.name, "web.shop_default");
  EXPECT_EQ(q.type, 1);
  EXPECT_TRUE(q.edns);
  EXPECT_EQ(q.udp_size, 1232);
  EXPECT_EQ(query("a", 1).udp_size, 512);
  EXPECT_EQ(query("a", 1, 100).udp_size, 512);
  EXPECT_EQ(query("a", 1, 65535).udp_size, 4096);
  EXPECT_EQ(query("", 1).name, "");
}

TEST(ParseQueryTest, EscapesWhatIsNoText) {
  Bytes message = query_bytes("abc", 1);
  message[13] = '.';
  message[14] = 0;
  EXPECT_EQ(parse_query(message).query->name, "\\046\\000c");
}

TEST(ParseQueryTest, EveryCutIsAFormatErrorOrNothing) {
  Bytes whole = query_bytes("web.example", 1, 1232);
  for (size_t n = 0; n < whole.size(); ++n) {
    DnsParse parsed = parse_query({whole.data(), n});
    EXPECT_FALSE(parsed.query) << n;
    EXPECT_EQ(parsed.refusal.size(), n < kDnsHeader ? 0 : kDnsHeader) << n;
  }
}

TEST(ParseQueryTest, HostileMessages) {
  Bytes answer = query_bytes("a", 1);
  answer[2] |= 0x80;
  EXPECT_TRUE(parse_query(answer).refusal.empty()) << "no answer to an answer";
  Bytes update = query_bytes("a", 1);
  update[2] |= 0x28;
  EXPECT_EQ(parse_query(update).refusal[3] & 0xf, 4);
  Bytes loop = query_bytes("abc", 1);
  loop[12] = 0xc0;  // the name points at itself
  loop[13] = 12;
  EXPECT_EQ(parse_query(loop).refusal[3] & 0xf, 1);
  Bytes two = query_bytes("a", 1);
  two[5] = 2;
  EXPECT_FALSE(parse_query(two).query);
  Bytes lies = query_bytes("a", 1);
  lies[11] = 200;  // 200 additional records that are not there
  EXPECT_FALSE(parse_query(lies).query);
}

TEST(AnswerTest, AddressesPointAtTheQuestion) {
  Bytes out = answer_addresses(query("web", 1), many(2), 5, Transport::udp);
  const Bytes expected{0x12, 0x34, 0x81, 0x80, 0,  1, 0, 2, 0, 0, 0, 0, 3, 'w', 'e', 'b', 0,   0,
                       1,    0,    1,    0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0,   4,   10,  112, 0,
                       0,    0xc0, 12,   0,    1,  0, 1, 0, 0, 0, 5, 0, 4, 10,  112, 0,   1};
  EXPECT_EQ(out, expected);
}

TEST(AnswerTest, TruncatedAnswersCarryWhatFits) {
  Bytes out = answer_addresses(query("web", 1), many(100), 5, Transport::udp);
  EXPECT_LE(out.size(), 512U);
  EXPECT_TRUE(is_truncated(out));
  EXPECT_EQ(header_of(out).answers, (512 - 21) / 16);
  Bytes wide = answer_addresses(query("web", 1, 4096), many(100), 5, Transport::udp);
  EXPECT_FALSE(is_truncated(wide));
  EXPECT_EQ(header_of(wide).answers, 100);
  EXPECT_EQ(header_of(wide).additionals, 1);
  Bytes stream = answer_addresses(query("web", 1), many(5000), 5, Transport::tcp);
  EXPECT_LE(stream.size(), 65535U);
  EXPECT_TRUE(is_truncated(stream));
}

TEST(AnswerTest, EmptyAnswersCarryTheCode) {
  Bytes none = answer_empty(query("web", 28), DnsCode::no_error);
  EXPECT_EQ(none.size(), 21U);
  EXPECT_EQ(none[3] & 0xf, 0);
  EXPECT_EQ(answer_empty(query("web", 1), DnsCode::no_name)[3] & 0xf, 3);
}

TEST(AnswerTest, Pointers) {
  EXPECT_EQ(address_of_pointer("2.0.112.10.in-addr.arpa")->str(), "10.112.0.2");
  std::string zeros;
  for (int i = 0; i < 24; ++i) zeros += "0.";
  EXPECT_EQ(address_of_pointer("2.0.0.0." + zeros + "0.0.d.f.ip6.arpa")->str(), "fd00::2");
  EXPECT_FALSE(address_of_pointer("2.0.0." + zeros + "0.0.d.f.ip6.arpa")) << "too short";
  EXPECT_FALSE(address_of_pointer("g.0.0.0." + zeros + "0.0.d.f.ip6.arpa"));
  for (const char* bad :
       {"0.112.10.in-addr.arpa", "x.2.0.112.10.in-addr.arpa", "in-addr.arpa", ""}) {
    EXPECT_FALSE(address_of_pointer(bad)) << bad;
  }
  Bytes out = answer_pointer(query("2.0.112.10.in-addr.arpa", 12), "web.shop", 5, Transport::udp);
  EXPECT_EQ(header_of(out).answers, 1);
  std::string label(64, 'x');
  Bytes bad = answer_pointer(query("2.0.112.10.in-addr.arpa", 12), label, 5, Transport::udp);
  EXPECT_EQ(header_of(bad).answers, 0);
}

TEST(ForwardTest, OnlyTheRightAnswerIsBelieved) {
  DnsQuery asked = query("example.com", 1);
  Bytes sent = forward_query(asked, 77);
  DnsQuery seen = parse_query(sent).query.value();
  EXPECT_EQ(seen.id, 77);
  Bytes reply = answer_addresses(seen, many(3), 60, Transport::udp);
  EXPECT_TRUE(answers(reply, asked, 77));
  EXPECT_FALSE(answers(reply, asked, 78));
  EXPECT_FALSE(answers(reply, query("example.org", 1), 77));
  EXPECT_FALSE(answers(sent, asked, 77)) << "a query is no answer";
}

TEST(ForwardTest, RelaysCutAtARecordsEnd) {
  DnsQuery asked = query("EXAMPLE.com", 1);
  DnsQuery seen = parse_query(forward_query(asked, 77)).query.value();
  Bytes reply = answer_addresses(seen, many(60), 60, Transport::tcp);
  Bytes whole = relay_answer(reply, asked, Transport::tcp);
  EXPECT_EQ(header_of(whole).id, 0x1234);
  EXPECT_EQ(header_of(whole).answers, 60);
  EXPECT_EQ(whole[13], 'E') << "the client's letter case";
  Bytes cut = relay_answer(reply, asked, Transport::udp);
  EXPECT_LE(cut.size(), 512U);
  EXPECT_TRUE(is_truncated(cut));
  EXPECT_EQ(header_of(cut).answers, (512 - 29) / 16);
  for (size_t n = 0; n < reply.size(); ++n) {
    Bytes part = relay_answer({reply.data(), n}, asked, Transport::udp);
    EXPECT_GE(part.size(), kDnsHeader);
  }
}

}  // namespace
}  // namespace pcompose::netns
