#include "netns/table_events.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/netlink.h"
#include "netns/neighbours.h"

namespace pcompose::netns {
namespace {

constexpr uint16_t kMadeTable = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE;
constexpr uint16_t kTableWent = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;
constexpr uint16_t kMadeChain = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN;
constexpr uint16_t kRuleWent = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELRULE;

std::string text_of(std::span<const uint8_t> payload, uint16_t type) {
  for (const NetlinkAttribute& a : attributes(payload, sizeof(nfgenmsg))) {
    if (a.type == type) return a.text();
  }
  return {};
}

// Rules that come are our own, or say nothing about ours.
void note(TableEvents& events, uint16_t type, std::span<const uint8_t> payload,
          const std::string& ours) {
  bool went = (type == kTableWent && text_of(payload, NFTA_TABLE_NAME) == ours) ||
              (type == kRuleWent && text_of(payload, NFTA_RULE_TABLE) == ours);
  events.ours_went = events.ours_went || went;
  bool others = (type == kMadeTable && text_of(payload, NFTA_TABLE_NAME) == kFirewalldTable) ||
                (type == kMadeChain && is_left_to_others(text_of(payload, NFTA_CHAIN_NAME))) ||
                (type == kRuleWent && is_left_to_others(text_of(payload, NFTA_RULE_CHAIN)));
  events.others_changed = events.others_changed || others;
}

void read_messages(TableEvents& events, std::span<const uint8_t> rest, const std::string& ours) {
  while (rest.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return;
    note(events, header.nlmsg_type, rest.subspan(sizeof header, header.nlmsg_len - sizeof header),
         ours);
    rest = rest.subspan(std::min<size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
  }
}

}  // namespace

Fd watch_tables() {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
  if (!fd) throw Error::from_errno("open a netlink socket");
  // A socket without an address hears nothing: 0 is the one that a broadcast leaves out.
  sockaddr_nl any{};
  any.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
    throw Error::from_errno("bind a netlink socket");
  }
  int group = NFNLGRP_NFTABLES;
  if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
    throw Error::from_errno("listen to changes of nftables");
  }
  return fd;
}

TableEvents drain_table_events(int watch, const std::string& table) {
  TableEvents events;
  std::array<uint8_t, 32768> buffer;
  for (;;) {
    ssize_t n = ::recv(watch, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == ENOBUFS) {
      events = {true, true};  // a big ruleset went by faster than we read
      continue;
    }
    if (n <= 0) return events;
    read_messages(events, {buffer.data(), static_cast<size_t>(n)}, table);
  }
}

}  // namespace pcompose::netns
