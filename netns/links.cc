// Kernel's links, addresses and routes (rtnetlink(7)).
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <thread>

#include "base/error.h"
#include "netns/kernel.h"
#include "netns/sysctl.h"

namespace pcompose::netns {
namespace {

// IF_OPER_UP of linux/if.h, which cannot be included beside net/if.h.
constexpr uint8_t kOperational = 6;
constexpr auto kSettlePause = std::chrono::milliseconds(1);
constexpr int kSettleTries = 2000;
constexpr unsigned kMake = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

ifinfomsg any_link() { return {}; }

ifinfomsg link_up() {
  ifinfomsg link{};
  link.ifi_flags = IFF_UP;
  link.ifi_change = IFF_UP;
  return link;
}

void put_address(NetlinkBatch& batch, int index, Ipv4 address, int prefix_length) {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = static_cast<uint8_t>(prefix_length);
  header.ifa_index = static_cast<unsigned>(index);
  batch.begin(RTM_NEWADDR, kMake, header);
  batch.put(IFA_LOCAL, htonl(address.value));
  batch.put(IFA_ADDRESS, htonl(address.value));
}

void put_default_route(NetlinkBatch& batch, int index, Ipv4 gateway) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_type = RTN_UNICAST;
  batch.begin(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, header);
  batch.put(RTA_GATEWAY, htonl(gateway.value));
  batch.put(RTA_OIF, index);
}

// One queue each way: the kernel's default is one per possible processor, and each is registered in
// sysfs (0.2 ms on two processors, more on more). Queues of veth carry nothing without XDP or a
// qdisc.
void put_queues(NetlinkBatch& batch) {
  batch.put(IFLA_NUM_TX_QUEUES, uint32_t{1});
  batch.put(IFLA_NUM_RX_QUEUES, uint32_t{1});
}

// Both ends are made down: veth refuses to open one whose peer is not linked to it yet (ENOTCONN).
void put_veth(NetlinkBatch& batch, int namespace_fd, int bridge, const EndpointLink& e) {
  batch.begin(RTM_NEWLINK, kMake, any_link());
  batch.put_string(IFLA_IFNAME, e.link);
  batch.put(IFLA_MASTER, bridge);
  batch.put(IFLA_GROUP, e.group);
  put_queues(batch);
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, "veth");
  size_t data = batch.open(IFLA_INFO_DATA);
  size_t peer = batch.open(VETH_INFO_PEER);
  batch.raw(any_link());
  batch.put_string(IFLA_IFNAME, e.interface);
  batch.put(IFLA_ADDRESS, e.mac.bytes.data(), e.mac.bytes.size());
  batch.put(IFLA_NET_NS_FD, namespace_fd);
  put_queues(batch);
  batch.close(peer);
  batch.close(data);
  batch.close(info);
}

// Hairpin: a container that reaches itself by its published port comes back through the port it
// left by, as long as br_netfilter shows bridged frames to nftables. No IPv6 address on the port:
// see set_namespace_defaults; this way needs no file under /proc/sys. Both before the link is up.
void put_port_settings(NetlinkBatch& batch, const std::string& link) {
  batch.begin(RTM_NEWLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, link);
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_SLAVE_KIND, "bridge");
  size_t data = batch.open(IFLA_INFO_SLAVE_DATA);
  batch.put(IFLA_BRPORT_MODE, uint8_t{1});
  batch.close(data);
  batch.close(info);
  size_t families = batch.open(IFLA_AF_SPEC);
  size_t inet6 = batch.open(AF_INET6);
  batch.put(IFLA_INET6_ADDR_GEN_MODE, uint8_t{IN6_ADDR_GEN_MODE_NONE});
  batch.close(inet6);
  batch.close(families);
}

void put_up(NetlinkBatch& batch, const std::string& link) {
  batch.begin(RTM_NEWLINK, NLM_F_ACK, link_up());
  batch.put_string(IFLA_IFNAME, link);
}

void put_link_query(NetlinkBatch& batch, const std::string& name) {
  batch.begin(RTM_GETLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, name);
  // Statistics make half of the answer and most of its cost.
  batch.put(IFLA_EXT_MASK, uint32_t{RTEXT_FILTER_SKIP_STATS});
}

// 0 where there is none.
int find_link(int route, const std::string& name) {
  int index = 0;
  NetlinkBatch batch;
  put_link_query(batch, name);
  int error = request(route, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    ifinfomsg link;
    if (payload.size() < sizeof link) return;
    std::memcpy(&link, payload.data(), sizeof link);
    index = link.ifi_index;
  });
  if (error != 0 && error != ENODEV) throw Error("look for the link " + name, error);
  return index;
}

// By the operational state (RFC 2863), which only the link watcher sets.
bool is_operational(int route, const std::string& name) {
  bool up = false;
  NetlinkBatch batch;
  put_link_query(batch, name);
  int error = request(route, batch, [&](uint16_t, std::span<const uint8_t> payload) {
    for (const NetlinkAttribute& a : attributes(payload, sizeof(ifinfomsg))) {
      if (a.type == IFLA_OPERSTATE) up = a.as<uint8_t>() == kOperational;
    }
  });
  if (error != 0) throw Error("look at the link " + name, error);
  return up;
}

void wait_operational(int route, const std::string& name) {
  for (int i = 0; i < kSettleTries; ++i) {
    if (is_operational(route, name)) return;
    std::this_thread::sleep_for(kSettlePause);
  }
  throw Error("the link " + name + " does not come up");
}

void make_bridge(int route, const BridgeSpec& spec) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, kMake, any_link());
  batch.put_string(IFLA_IFNAME, spec.name);
  // Given, not derived: a bridge without a MAC of its own takes its ports' lowest, which changes
  // with them.
  Mac mac = Mac::of(spec.gateway);
  batch.put(IFLA_ADDRESS, mac.bytes.data(), mac.bytes.size());
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, "bridge");
  size_t data = batch.open(IFLA_INFO_DATA);
  // Without a querier on the network, snooping would lose multicast after its timeout.
  batch.put(IFLA_BR_MCAST_SNOOPING, uint8_t{0});
  batch.close(data);
  batch.close(info);
  int error = send_batch(route, batch);
  if (error != 0 && error != EEXIST) throw Error("make the bridge " + spec.name, error);
}

Error attach_error(const EndpointLink& e, int error) {
  Error out("attach " + e.link + " to the bridge " + e.bridge, error);
  if (error == EXFULL)
    out.hint("a Linux bridge takes 1023 ports; spread the services over networks");
  return out;
}

}  // namespace

int Kernel::link_index(const std::string& name) {
  int index = find_link(route_.get(), name);
  if (index == 0) throw Error("there is no link " + name);
  return index;
}

bool Kernel::link_exists(const std::string& name) { return find_link(route_.get(), name) != 0; }

void Kernel::ensure_bridge(const BridgeSpec& spec) {
  make_bridge(route_.get(), spec);
  write_sysctl_if_there("net/ipv6/conf/" + spec.name + "/disable_ipv6", "1");
  write_sysctl("net/ipv4/conf/" + spec.name + "/route_localnet", "1");
  int index = link_index(spec.name);
  NetlinkBatch batch;
  put_address(batch, index, spec.gateway, spec.subnet.length);
  int error = send_batch(route_.get(), batch);
  if (error != 0 && error != EEXIST) {
    throw Error("give the bridge " + spec.name + " the address " + spec.gateway.str(), error);
  }
  batch.clear();
  put_up(batch, spec.name);
  error = send_batch(route_.get(), batch);
  if (error != 0) throw Error("set the bridge " + spec.name + " up", error);
}

bool Kernel::delete_bridge(const std::string& name) {
  NetlinkBatch batch;
  batch.begin(RTM_DELLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, name);
  int error = send_batch(route_.get(), batch);
  if (error == ENODEV) return false;
  if (error != 0) throw Error("delete the bridge " + name, error);
  return true;
}

void Kernel::attach(int namespace_fd, int route, const EndpointLink& e) {
  NetlinkBatch batch;
  put_veth(batch, namespace_fd, link_index(e.bridge), e);
  put_port_settings(batch, e.link);
  put_up(batch, e.link);
  if (int error = send_batch(route_.get(), batch); error != 0) throw attach_error(e, error);
  int index = find_link(route, e.interface);
  batch.clear();
  put_address(batch, index, e.address, e.prefix_length);
  put_up(batch, e.interface);
  if (e.default_gateway) put_default_route(batch, index, *e.default_gateway);
  if (int error = send_batch(route, batch); error != 0) {
    throw Error("give " + e.interface + " the address " + e.address.str(), error);
  }
}

void Kernel::settle(int route, const EndpointLink& e) {
  // Outwards: each makes the next one's carrier.
  wait_operational(route, e.interface);
  wait_operational(route_.get(), e.link);
  wait_operational(route_.get(), e.bridge);
}

void Kernel::detach(const std::string& link) { delete_bridge(link); }

std::vector<Prefix> Kernel::routes() {
  std::vector<Prefix> out;
  rtmsg header{};
  header.rtm_family = AF_INET;
  NetlinkBatch batch;
  batch.begin(RTM_GETROUTE, NLM_F_DUMP, header);
  int error = request(route_.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    rtmsg r;
    if (payload.size() < sizeof r) return;
    std::memcpy(&r, payload.data(), sizeof r);
    if (r.rtm_table != RT_TABLE_MAIN || r.rtm_dst_len == 0) return;
    for (const NetlinkAttribute& a : attributes(payload, sizeof r)) {
      auto destination = a.as<uint32_t>();
      if (a.type != RTA_DST || !destination) continue;
      out.push_back({Ipv4{ntohl(*destination)}, r.rtm_dst_len});
    }
  });
  if (error != 0) throw Error("list the host's routes", error);
  return out;
}

std::map<std::string, int> Kernel::links() {
  std::map<std::string, int> out;
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP, any_link());
  int error = request(route_.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    ifinfomsg link;
    if (payload.size() < sizeof link) return;
    std::memcpy(&link, payload.data(), sizeof link);
    for (const NetlinkAttribute& a : attributes(payload, sizeof link)) {
      if (a.type == IFLA_IFNAME) out[a.text()] = link.ifi_index;
    }
  });
  if (error != 0) throw Error("list the host's links", error);
  return out;
}

}  // namespace pcompose::netns
