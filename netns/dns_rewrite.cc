#include "netns/dns_rewrite.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string_view>

#include "base/error.h"
#include "base/netlink.h"

namespace pcompose::netns {
namespace {

constexpr std::string_view kTable = "pcompose_dns";
constexpr std::string_view kChain = "out";
// Before anything that the container's own rules may do, and before conntrack (-200).
constexpr int kRawPriority = -300;
constexpr std::array<uint8_t, 4> kServer{127, 0, 0, 11};
constexpr uint16_t kNamePort = 53;

// Offsets in the headers that the rules read and write (RFC 791, RFC 768, RFC 9293).
constexpr uint32_t kSourceAddress = 12;
constexpr uint32_t kDestinationAddress = 16;
constexpr uint32_t kSourcePort = 0;
constexpr uint32_t kDestinationPort = 2;
constexpr uint32_t kUdpChecksum = 6;
constexpr uint32_t kTcpChecksum = 16;

constexpr uint16_t message_type(int type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

// The builder of one batch: nf_tables takes numbers in network byte order.
class RulesetBatch {
 public:
  RulesetBatch() { batch_.begin(NFNL_MSG_BATCH_BEGIN, 0, edge()); }

  void table(int type, unsigned flags) {
    batch_.begin(message_type(type), flags, header());
    batch_.put_string(NFTA_TABLE_NAME, kTable);
  }
  void chain() {
    batch_.begin(message_type(NFT_MSG_NEWCHAIN), NLM_F_CREATE, header());
    batch_.put_string(NFTA_CHAIN_TABLE, kTable);
    batch_.put_string(NFTA_CHAIN_NAME, kChain);
    size_t hook = batch_.open(NFTA_CHAIN_HOOK | NLA_F_NESTED);
    number(NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
    number(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(kRawPriority));
    batch_.close(hook);
    batch_.put_string(NFTA_CHAIN_TYPE, "filter");
  }
  // Packets of `protocol` whose address at `address` is the server's and whose port at `port` is
  // `from` get the port `to`.
  void rewrite(uint8_t protocol, uint32_t address, uint32_t port, uint16_t from, uint16_t to);

  const NetlinkBatch& finish() {
    batch_.begin(NFNL_MSG_BATCH_END, 0, edge());
    return batch_;
  }

 private:
  static nfgenmsg edge() { return {AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)}; }
  static nfgenmsg header() { return {NFPROTO_IPV4, NFNETLINK_V0, 0}; }

  void number(uint16_t type, uint32_t value) { batch_.put(type, htonl(value)); }
  template <class Body>
  void expression(std::string_view name, Body body) {
    size_t element = batch_.open(NFTA_LIST_ELEM | NLA_F_NESTED);
    batch_.put_string(NFTA_EXPR_NAME, name);
    size_t data = batch_.open(NFTA_EXPR_DATA | NLA_F_NESTED);
    body();
    batch_.close(data);
    batch_.close(element);
  }
  void load(uint32_t base, uint32_t offset, uint32_t size);
  void load_protocol();
  void must_equal(const void* data, size_t size);
  void store_port(uint32_t offset, uint16_t port, uint32_t checksum);

  NetlinkBatch batch_;
};

void RulesetBatch::load(uint32_t base, uint32_t offset, uint32_t size) {
  expression("payload", [&] {
    number(NFTA_PAYLOAD_DREG, NFT_REG_1);
    number(NFTA_PAYLOAD_BASE, base);
    number(NFTA_PAYLOAD_OFFSET, offset);
    number(NFTA_PAYLOAD_LEN, size);
  });
}

void RulesetBatch::load_protocol() {
  expression("meta", [&] {
    number(NFTA_META_DREG, NFT_REG_1);
    number(NFTA_META_KEY, NFT_META_L4PROTO);
  });
}

void RulesetBatch::must_equal(const void* data, size_t size) {
  expression("cmp", [&] {
    number(NFTA_CMP_SREG, NFT_REG_1);
    number(NFTA_CMP_OP, NFT_CMP_EQ);
    size_t value = batch_.open(NFTA_CMP_DATA | NLA_F_NESTED);
    batch_.put(NFTA_DATA_VALUE, data, size);
    batch_.close(value);
  });
}

void RulesetBatch::store_port(uint32_t offset, uint16_t port, uint32_t checksum) {
  uint16_t wire = htons(port);
  expression("immediate", [&] {
    number(NFTA_IMMEDIATE_DREG, NFT_REG_1);
    size_t value = batch_.open(NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
    batch_.put(NFTA_DATA_VALUE, &wire, sizeof wire);
    batch_.close(value);
  });
  expression("payload", [&] {
    number(NFTA_PAYLOAD_SREG, NFT_REG_1);
    number(NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
    number(NFTA_PAYLOAD_OFFSET, offset);
    number(NFTA_PAYLOAD_LEN, sizeof wire);
    number(NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    number(NFTA_PAYLOAD_CSUM_OFFSET, checksum);
  });
}

void RulesetBatch::rewrite(uint8_t protocol, uint32_t address, uint32_t port, uint16_t from,
                           uint16_t to) {
  batch_.begin(message_type(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND, header());
  batch_.put_string(NFTA_RULE_TABLE, kTable);
  batch_.put_string(NFTA_RULE_CHAIN, kChain);
  size_t list = batch_.open(NFTA_RULE_EXPRESSIONS | NLA_F_NESTED);
  load(NFT_PAYLOAD_NETWORK_HEADER, address, kServer.size());
  must_equal(kServer.data(), kServer.size());
  load_protocol();
  must_equal(&protocol, sizeof protocol);
  uint16_t wire = htons(from);
  load(NFT_PAYLOAD_TRANSPORT_HEADER, port, sizeof wire);
  must_equal(&wire, sizeof wire);
  store_port(port, to, protocol == IPPROTO_UDP ? kUdpChecksum : kTcpChecksum);
  batch_.close(list);
}

int install(int socket, RewritePorts ports, bool replace) {
  RulesetBatch batch;
  if (replace) batch.table(NFT_MSG_DELTABLE, 0);
  batch.table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  batch.chain();
  batch.rewrite(IPPROTO_UDP, kDestinationAddress, kDestinationPort, kNamePort, ports.udp);
  batch.rewrite(IPPROTO_TCP, kDestinationAddress, kDestinationPort, kNamePort, ports.tcp);
  batch.rewrite(IPPROTO_UDP, kSourceAddress, kSourcePort, ports.udp, kNamePort);
  batch.rewrite(IPPROTO_TCP, kSourceAddress, kSourcePort, ports.tcp, kNamePort);
  return send_batch(socket, batch.finish());
}

}  // namespace

void install_dns_rewrite(RewritePorts ports) {
  Fd socket = open_netlink(NETLINK_NETFILTER);
  int error = install(socket.get(), ports, false);
  if (error == EEXIST) error = install(socket.get(), ports, true);
  if (error != 0) throw Error("install the DNS rewrite in a namespace", error);
}

}  // namespace pcompose::netns
