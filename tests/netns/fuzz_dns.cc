// Whatever bytes come, from a container or from upstream: no crash, and answers within the client's
// size.
#include <cstdlib>

#include "netns/dns_message.h"

using namespace pcompose::netns;

namespace {

void require(bool fact) {
  if (!fact) std::abort();
}

void check_size(const Bytes& answer, const DnsQuery& query) {
  require(answer.size() <= query.udp_size || answer.size() <= 512 || query.question.size() > 200);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::span<const uint8_t> message(data, size);
  DnsParse parsed = parse_query(message);
  if (parsed.query) {
    const DnsQuery& query = *parsed.query;
    std::vector<Ipv4> addresses(40);
    std::vector<Ipv6> addresses6(40);
    check_size(answer_addresses(query, std::span<const Ipv6>(addresses6), 5, Transport::udp),
               query);
    check_size(answer_addresses(query, addresses, 5, Transport::udp), query);
    check_size(answer_pointer(query, query.name, 5, Transport::udp), query);
    require(parse_query(forward_query(query, 7)).query->name == query.name);
    static_cast<void>(address_of_pointer(query.name));
  }
  static const DnsQuery asked = [] {
    const Bytes bytes{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1};
    return parse_query(bytes).query.value();
  }();
  static_cast<void>(answers(message, asked, 1));
  check_size(relay_answer(message, asked, Transport::udp), asked);
  static_cast<void>(relay_answer(message, asked, Transport::tcp));
  return 0;
}
