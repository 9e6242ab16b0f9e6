// DNS messages (RFC 1035, EDNS0 of RFC 6891): as much as the answer path needs. Safe on hostile
// input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "netns/ip.h"

namespace pcompose::netns {

using Bytes = std::vector<uint8_t>;

enum class DnsType : uint16_t { a = 1, ptr = 12, aaaa = 28, any = 255 };
enum class DnsCode : uint8_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  no_name = 3,
  not_implemented = 4,
  refused = 5
};

// Where an answer may grow to: the client's buffer, or a TCP stream's 65535.
enum class Transport { udp, tcp };

struct DnsQuery {
  uint16_t id = 0;
  bool recursion_desired = false;
  bool edns = false;
  uint16_t udp_size = 512;  // what the client says it takes, 512-4096
  std::string name;  // lower case, without the last dot; bytes outside [!-~] and '.', '\' as \ddd
  uint16_t type = 0;
  uint16_t klass = 0;
  Bytes question;  // as it came, with the client's letter case: some check it
};

struct DnsParse {
  std::optional<DnsQuery> query;
  // Where `query` is empty: the answer to give (FORMERR, NOTIMP), or nothing for what is not a
  // query at all.
  Bytes refusal;
};

// A message with exactly one question and no compression in it.
DnsParse parse_query(std::span<const uint8_t> message);

// An answer without records.
Bytes answer_empty(const DnsQuery& query, DnsCode code);
// A records. What does not fit is left out and TC is set: musl before 1.2.4 takes what there is.
Bytes answer_addresses(const DnsQuery& query, std::span<const Ipv4> addresses, uint32_t ttl,
                       Transport transport);
// AAAA records (RFC 3596), the same.
Bytes answer_addresses(const DnsQuery& query, std::span<const Ipv6> addresses, uint32_t ttl,
                       Transport transport);
// The name of an address, "web.shop_default". One with an impossible label gives an empty answer.
Bytes answer_pointer(const DnsQuery& query, const std::string& name, uint32_t ttl,
                     Transport transport);

// 4.3.2.1.in-addr.arpa -> 1.2.3.4; 32 nibbles before .ip6.arpa (RFC 3596, 2.5).
std::optional<Ip> address_of_pointer(const std::string& name);

// The query as a message for an upstream server, with another id, recursion desired.
Bytes forward_query(const DnsQuery& query, uint16_t id);
// True for an answer to forward_query(query, id): what anyone could send to our port is not
// believed.
bool answers(std::span<const uint8_t> message, const DnsQuery& query, uint16_t id);
bool is_truncated(std::span<const uint8_t> message);
// An upstream's answer for the client: its id and question, cut to its size at a record's end (TC
// is set then). SERVFAIL where the message cannot be walked.
Bytes relay_answer(std::span<const uint8_t> message, const DnsQuery& query, Transport transport);

}  // namespace pcompose::netns
