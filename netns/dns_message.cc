#include "netns/dns_message.h"

#include <algorithm>
#include <string_view>

#include "netns/dns_wire.h"

namespace pcompose::netns {
namespace {

constexpr uint16_t kLeastUdp = 512;
// More than this leads to fragments, which firewalls drop; containers are one veth away, so no
// less.
constexpr uint16_t kMostUdp = 4096;
constexpr size_t kMostTcp = 65535;
constexpr size_t kRecordHead = 12;  // pointer, type, class, ttl, length
constexpr size_t kOptRecord = 11;
constexpr uint16_t kNamePointer = 0xc000 | kDnsHeader;  // the question's name
constexpr std::string_view kPointerSuffix = ".in-addr.arpa";
constexpr std::string_view kPointerSuffix6 = ".ip6.arpa";
constexpr size_t kNibbles = 32;

Bytes refusal(const DnsHeader& asked, DnsCode code) {
  DnsWriter out;
  DnsHeader header;
  header.id = asked.id;
  header.flags =
      static_cast<uint16_t>(kFlagResponse | (asked.flags & kMaskOpcode) |
                            (asked.flags & kFlagRecursionDesired) | static_cast<uint16_t>(code));
  out.header(header);
  return out.bytes;
}

// Looks for the OPT record (RFC 6891) among what follows the question. False on a message that
// lies.
bool read_additional(DnsReader& reader, const DnsHeader& header, DnsQuery& query) {
  unsigned before = header.answers + header.authorities;
  unsigned count = before + header.additionals;
  for (unsigned i = 0; i < count; ++i) {
    DnsReader ahead = reader;
    uint16_t type = 0;
    uint16_t size = 0;
    if (!reader.skip_record(type)) return false;
    if (i < before || type != kTypeOpt) continue;
    if (!ahead.skip_name() || !ahead.u16(type) || !ahead.u16(size)) return false;
    query.edns = true;
    query.udp_size = std::clamp(size, kLeastUdp, kMostUdp);
  }
  return true;
}

size_t limit_of(const DnsQuery& query, Transport transport) {
  return transport == Transport::tcp ? kMostTcp : query.udp_size;
}

DnsHeader answer_header(const DnsQuery& query, DnsCode code) {
  DnsHeader header;
  header.id = query.id;
  header.flags = static_cast<uint16_t>(kFlagResponse | kFlagRecursionAvailable |
                                       (query.recursion_desired ? kFlagRecursionDesired : 0) |
                                       static_cast<uint16_t>(code));
  header.questions = 1;
  header.additionals = query.edns ? 1 : 0;
  return header;
}

// A query with EDNS gets an OPT record back (RFC 6891, 6.1.1): name root, our size, no flags.
void put_opt(DnsWriter& out, const DnsQuery& query) {
  if (!query.edns) return;
  out.u8(0);
  out.u16(kTypeOpt);
  out.u16(kMostUdp);
  out.u32(0);
  out.u16(0);
}

void put_record_head(DnsWriter& out, DnsType type, uint32_t ttl) {
  out.u16(kNamePointer);
  out.u16(static_cast<uint16_t>(type));
  out.u16(kClassInternet);
  out.u32(ttl);
}

void put_address(DnsWriter& out, Ipv4 address, uint32_t ttl) {
  put_record_head(out, DnsType::a, ttl);
  out.u16(4);
  out.u32(address.value);
}

void put_address(DnsWriter& out, const Ipv6& address, uint32_t ttl) {
  put_record_head(out, DnsType::aaaa, ttl);
  out.u16(static_cast<uint16_t>(address.bytes.size()));
  out.raw(address.bytes);
}

template <class Address>
Bytes answer_records(const DnsQuery& query, std::span<const Address> addresses, uint32_t ttl,
                     Transport transport) {
  constexpr size_t kRecord = kRecordHead + sizeof(Address);
  size_t used = kDnsHeader + query.question.size() + (query.edns ? kOptRecord : 0);
  size_t limit = limit_of(query, transport);
  size_t room = used < limit ? (limit - used) / kRecord : 0;
  size_t count = std::min(room, addresses.size());
  DnsHeader header = answer_header(query, DnsCode::no_error);
  header.answers = static_cast<uint16_t>(count);
  if (count < addresses.size()) header.flags |= kFlagTruncated;
  DnsWriter out;
  out.bytes.reserve(used + count * kRecord);
  out.header(header);
  out.raw(query.question);
  for (const Address& address : addresses.first(count)) put_address(out, address, ttl);
  put_opt(out, query);
  return out.bytes;
}

Bytes server_failure(const DnsQuery& query) { return answer_empty(query, DnsCode::server_failure); }

// "b.a.9.8.…": the lowest nibble first, a dot between two.
std::optional<Ip> address_of_nibbles(std::string_view text) {
  if (text.size() != 2 * kNibbles - 1) return {};
  Ipv6 out;
  for (size_t i = 0; i < kNibbles; ++i) {
    char c = text[2 * i];
    if (i + 1 < kNibbles && text[2 * i + 1] != '.') return {};
    bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return {};
    unsigned nibble = static_cast<unsigned>(digit ? c - '0' : c - 'a' + 10);
    out.bytes.at(15 - i / 2) |= static_cast<uint8_t>(i % 2 == 0 ? nibble : nibble << 4U);
  }
  return Ip(out);
}

// Where the answer section's records end, as far as they fit into `limit`.
struct Cut {
  size_t end = 0;
  uint16_t records = 0;
};

bool find_cut(std::span<const uint8_t> message, const DnsHeader& header, size_t limit, Cut& cut) {
  DnsReader reader(message);
  if (!reader.skip(kDnsHeader) || !reader.skip_name() || !reader.skip(4)) return false;
  cut.end = reader.at();
  for (uint16_t i = 0; i < header.answers; ++i) {
    uint16_t type = 0;
    if (!reader.skip_record(type)) return false;
    if (reader.at() > limit) return true;
    cut = {reader.at(), static_cast<uint16_t>(i + 1)};
  }
  return true;
}

// The same name and type, letter case ignored: upstreams may not keep it.
bool same_question(DnsReader& reader, const DnsQuery& query) {
  std::string name;
  uint16_t type = 0;
  uint16_t klass = 0;
  return reader.plain_name(name) && reader.u16(type) && reader.u16(klass) && name == query.name &&
         type == query.type && klass == query.klass;
}

}  // namespace

DnsParse parse_query(std::span<const uint8_t> message) {
  DnsReader reader(message);
  DnsHeader header;
  if (!reader.header(header)) return {};
  // An answer to an answer would make two servers talk for ever.
  if ((header.flags & kFlagResponse) != 0) return {};
  if ((header.flags & kMaskOpcode) != 0) return {{}, refusal(header, DnsCode::not_implemented)};
  DnsParse out;
  out.refusal = refusal(header, DnsCode::format_error);
  DnsQuery query;
  if (header.questions != 1 || !reader.plain_name(query.name) || !reader.u16(query.type) ||
      !reader.u16(query.klass)) {
    return out;
  }
  query.id = header.id;
  query.recursion_desired = (header.flags & kFlagRecursionDesired) != 0;
  query.question.assign(message.begin() + kDnsHeader,
                        message.begin() + static_cast<ptrdiff_t>(reader.at()));
  if (!read_additional(reader, header, query)) return out;
  out.query = std::move(query);
  out.refusal.clear();
  return out;
}

Bytes answer_empty(const DnsQuery& query, DnsCode code) {
  DnsWriter out;
  out.header(answer_header(query, code));
  out.raw(query.question);
  put_opt(out, query);
  return out.bytes;
}

Bytes answer_addresses(const DnsQuery& query, std::span<const Ipv4> addresses, uint32_t ttl,
                       Transport transport) {
  return answer_records(query, addresses, ttl, transport);
}

Bytes answer_addresses(const DnsQuery& query, std::span<const Ipv6> addresses, uint32_t ttl,
                       Transport transport) {
  return answer_records(query, addresses, ttl, transport);
}

Bytes answer_pointer(const DnsQuery& query, const std::string& name, uint32_t ttl,
                     Transport transport) {
  DnsWriter target;
  if (!target.name(name)) return answer_empty(query, DnsCode::no_error);
  DnsHeader header = answer_header(query, DnsCode::no_error);
  header.answers = 1;
  DnsWriter out;
  out.header(header);
  out.raw(query.question);
  put_record_head(out, DnsType::ptr, ttl);
  out.u16(static_cast<uint16_t>(target.bytes.size()));
  out.raw(target.bytes);
  put_opt(out, query);
  if (out.bytes.size() <= limit_of(query, transport)) return out.bytes;
  Bytes empty = answer_empty(query, DnsCode::no_error);
  patch_u16(empty, 2, static_cast<uint16_t>(empty[2] << 8 | empty[3]) | kFlagTruncated);
  return empty;
}

std::optional<Ip> address_of_pointer(const std::string& name) {
  if (name.ends_with(kPointerSuffix6)) {
    return address_of_nibbles(
        std::string_view(name).substr(0, name.size() - kPointerSuffix6.size()));
  }
  if (!name.ends_with(kPointerSuffix)) return {};
  auto reversed =
      Ipv4::parse(std::string_view(name).substr(0, name.size() - kPointerSuffix.size()));
  if (!reversed) return {};
  return Ip(Ipv4{__builtin_bswap32(reversed->value)});
}

Bytes forward_query(const DnsQuery& query, uint16_t id) {
  DnsHeader header;
  header.id = id;
  header.flags = kFlagRecursionDesired;
  header.questions = 1;
  header.additionals = 1;
  DnsWriter out;
  out.header(header);
  out.raw(query.question);
  DnsQuery with_edns;
  with_edns.edns = true;
  put_opt(out, with_edns);
  return out.bytes;
}

bool answers(std::span<const uint8_t> message, const DnsQuery& query, uint16_t id) {
  DnsReader reader(message);
  DnsHeader header;
  if (!reader.header(header) || header.id != id || (header.flags & kFlagResponse) == 0)
    return false;
  // A server that cannot read us (FORMERR, NOTIMP) may leave the question out.
  return header.questions == 0 ? header.answers == 0 : same_question(reader, query);
}

bool is_truncated(std::span<const uint8_t> message) {
  DnsReader reader(message);
  DnsHeader header;
  return reader.header(header) && (header.flags & kFlagTruncated) != 0;
}

Bytes relay_answer(std::span<const uint8_t> message, const DnsQuery& query, Transport transport) {
  DnsReader reader(message);
  DnsHeader header;
  // Also where answers() was not asked first: another question's length would shift what follows.
  if (!reader.header(header) || header.questions != 1 || !same_question(reader, query)) {
    return server_failure(query);
  }
  size_t limit = limit_of(query, transport) - (query.edns ? kOptRecord : 0);
  Cut cut;
  if (!find_cut(message, header, limit, cut)) return server_failure(query);
  auto code = static_cast<DnsCode>(header.flags & 0xfU);
  DnsHeader answer = answer_header(query, code);
  answer.answers = cut.records;
  bool lost = cut.records < header.answers || (header.flags & kFlagTruncated) != 0;
  if (lost) answer.flags |= kFlagTruncated;
  DnsWriter out;
  out.header(answer);
  out.raw(query.question);
  // The question has the same length whatever its letter case, so compression pointers stay right.
  size_t records = kDnsHeader + query.question.size();
  out.raw(message.subspan(records, cut.end - records));
  put_opt(out, query);
  return out.bytes;
}

}  // namespace pcompose::netns
