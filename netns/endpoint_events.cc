#include "netns/endpoint_events.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/error.h"
#include "netns/netlink.h"

namespace pcompose::netns {
namespace {

// The lock's file (run_lock.cc): it is there anyway, and to lock it is no event.
std::string file_of(const Roots& roots) { return roots.run + "/networks.lock"; }

constexpr uint16_t kTableGone = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE;

bool names_table(std::span<const uint8_t> payload, const std::string& table) {
  for (const NetlinkAttribute& a : attributes(payload, sizeof(nfgenmsg))) {
    if (a.type == NFTA_TABLE_NAME && a.text() == table) return true;
  }
  return false;
}

bool table_went(std::span<const uint8_t> rest, const std::string& table) {
  while (rest.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return false;
    auto payload = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
    if (header.nlmsg_type == kTableGone && names_table(payload, table)) return true;
    rest = rest.subspan(std::min<size_t>(rest.size(), NLMSG_ALIGN(header.nlmsg_len)));
  }
  return false;
}

}  // namespace

Fd watch_endpoints(const Roots& roots) {
  make_directories(roots.run);
  Fd file = open_file(file_of(roots), O_WRONLY | O_CREAT, 0600);
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch) throw Error::from_errno("watch for endpoints");
  if (::inotify_add_watch(watch.get(), file_of(roots).c_str(), IN_MODIFY) < 0) {
    throw Error::from_errno("watch " + file_of(roots));
  }
  return watch;
}

void drain_endpoint_events(int watch) {
  std::array<char, 4096> events;
  while (::read(watch, events.data(), events.size()) > 0) continue;
}

void announce_endpoint_change(const Roots& roots) {
  // The write is the event, what is in the file says nothing.
  Fd file = open_file(file_of(roots), O_WRONLY | O_CREAT, 0600);
  write_all(file.get(), "\n");
}

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

bool drain_table_events(int watch, const std::string& table) {
  bool gone = false;
  std::array<uint8_t, 32768> buffer;
  for (;;) {
    ssize_t n = ::recv(watch, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && errno == ENOBUFS) {
      gone = true;  // a big ruleset went by faster than we read
      continue;
    }
    if (n <= 0) return gone;
    gone = table_went({buffer.data(), static_cast<size_t>(n)}, table) || gone;
  }
}

}  // namespace pcompose::netns
