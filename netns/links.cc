// Kernel's links, addresses and routes (rtnetlink(7)).
#include <arpa/inet.h>
#include <cerrno>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include "base/error.h"
#include "netns/kernel.h"
#include "netns/link_messages.h"
#include "netns/sysctl.h"

namespace pcompose::netns {
namespace {

constexpr unsigned kMake = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;

// One queue each way: the kernel's default is one per possible processor, and each is registered in
// sysfs (0.2 ms on two processors, more on more). Queues of veth carry nothing without XDP or a
// qdisc.
void put_queues(NetlinkBatch& batch) {
  batch.put(IFLA_NUM_TX_QUEUES, uint32_t{1});
  batch.put(IFLA_NUM_RX_QUEUES, uint32_t{1});
}

void put_mtu(NetlinkBatch& batch, int mtu) {
  if (mtu > 0) batch.put(IFLA_MTU, mtu);
}

// Both ends are made down: veth refuses to open one whose peer is not linked to it yet (ENOTCONN).
void put_veth(NetlinkBatch& batch, int namespace_fd, int bridge, const EndpointLink& e) {
  batch.begin(RTM_NEWLINK, kMake, any_link());
  batch.put_string(IFLA_IFNAME, e.link);
  batch.put(IFLA_MASTER, bridge);
  batch.put(IFLA_GROUP, e.group);
  put_mtu(batch, e.mtu);
  put_queues(batch);
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, "veth");
  size_t data = batch.open(IFLA_INFO_DATA);
  size_t peer = batch.open(VETH_INFO_PEER);
  batch.raw(any_link());
  batch.put_string(IFLA_IFNAME, e.interface);
  batch.put(IFLA_ADDRESS, e.mac.bytes.data(), e.mac.bytes.size());
  batch.put(IFLA_NET_NS_FD, namespace_fd);
  put_mtu(batch, e.mtu);
  put_queues(batch);
  batch.close(peer);
  batch.close(data);
  batch.close(info);
}

// Hairpin: a container that reaches itself by its published port comes back through the port it
// left by, as long as br_netfilter shows bridged frames to nftables. No IPv6 address on the port:
// see set_namespace_defaults; this way needs no file under /proc/sys. Both before the link is up.
// An isolated port exchanges frames with the bridge itself only, not with other isolated ports.
void put_port_settings(NetlinkBatch& batch, const EndpointLink& e) {
  batch.begin(RTM_NEWLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, e.link);
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_SLAVE_KIND, "bridge");
  size_t data = batch.open(IFLA_INFO_SLAVE_DATA);
  batch.put(IFLA_BRPORT_MODE, uint8_t{1});
  if (e.isolated) batch.put(IFLA_BRPORT_ISOLATED, uint8_t{1});
  batch.close(data);
  batch.close(info);
  size_t families = batch.open(IFLA_AF_SPEC);
  size_t inet6 = batch.open(AF_INET6);
  batch.put(IFLA_INET6_ADDR_GEN_MODE, uint8_t{IN6_ADDR_GEN_MODE_NONE});
  batch.close(inet6);
  batch.close(families);
}

void make_bridge(int route, const BridgeSpec& spec) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, kMake, any_link());
  batch.put_string(IFLA_IFNAME, spec.name);
  // Given, not derived: a bridge without a MAC of its own takes its ports' lowest, which changes
  // with them.
  Mac mac = spec.ipv4 ? Mac::of(spec.gateway) : Mac::of(spec.gateway6);
  batch.put(IFLA_ADDRESS, mac.bytes.data(), mac.bytes.size());
  put_mtu(batch, spec.mtu);
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

void Kernel::give_bridge(const BridgeSpec& spec, int index, const Ip& address, int length) {
  NetlinkBatch batch;
  put_address(batch, index, address, length);
  int error = send_batch(route_.get(), batch);
  if (error == 0 || error == EEXIST) return;
  throw Error("give the bridge " + spec.name + " the address " + address.str(), error);
}

void Kernel::ensure_bridge(const BridgeSpec& spec) {
  make_bridge(route_.get(), spec);
  std::string settings = "net/ipv6/conf/" + spec.name;
  if (spec.subnet6) {
    // What containers send as routers or neighbours' claims is not for the host to believe.
    write_sysctl_if_there(settings + "/accept_ra", "0");
    write_sysctl_if_there(settings + "/accept_dad", "0");
  }
  bool there = write_sysctl_if_there(settings + "/disable_ipv6", spec.subnet6 ? "0" : "1");
  if (spec.subnet6 && !there) {
    throw Error("this kernel has no IPv6, which the network wants").hint("set enable_ipv6: false");
  }
  write_sysctl("net/ipv4/conf/" + spec.name + "/route_localnet", "1");
  int index = link_index(spec.name);
  if (spec.ipv4) give_bridge(spec, index, spec.gateway, spec.subnet.length);
  if (spec.subnet6) give_bridge(spec, index, spec.gateway6, spec.subnet6->length);
  NetlinkBatch batch;
  put_up(batch, spec.name);
  batch.put(IFLA_GROUP, uint32_t{0});  // one that delete_bridges() did not get to the end of
  if (!spec.alias.empty()) batch.put_string(IFLA_IFALIAS, spec.alias);
  int error = send_batch(route_.get(), batch);
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

void Kernel::delete_bridges(const std::vector<std::string>& names, uint32_t group) {
  bool any = false;
  for (const std::string& name : names) {
    NetlinkBatch batch;
    batch.begin(RTM_NEWLINK, NLM_F_ACK, any_link());
    batch.put_string(IFLA_IFNAME, name);
    batch.put(IFLA_GROUP, group);
    int error = send_batch(route_.get(), batch);
    if (error != 0 && error != ENODEV) throw Error("take the bridge " + name + " down", error);
    any = any || error == 0;
  }
  if (!any) return;
  NetlinkBatch batch;
  batch.begin(RTM_DELLINK, NLM_F_ACK, any_link());
  batch.put(IFLA_GROUP, group);
  int error = send_batch(route_.get(), batch);
  if (error != 0) throw Error("delete bridges", error);
}

void Kernel::attach(int namespace_fd, int route, const EndpointLink& e) {
  if (!e.parent.empty()) {
    make_child_link(namespace_fd, e);
  } else {
    NetlinkBatch batch;
    put_veth(batch, namespace_fd, link_index(e.bridge), e);
    put_port_settings(batch, e);
    put_up(batch, e.link);
    if (int error = send_batch(route_.get(), batch); error != 0) throw attach_error(e, error);
  }
  if (e.address6) allow_ipv6(namespace_fd, e.interface);
  configure(route, e);
}

void Kernel::configure(int route, const EndpointLink& e) {
  int index = find_link(route, e.interface);
  NetlinkBatch batch;
  if (e.address) put_address(batch, index, *e.address, e.prefix_length);
  if (e.address6) put_address(batch, index, *e.address6, e.prefix6_length);
  for (const Ip& address : e.link_locals) {
    put_address(batch, index, address, address.v6() != nullptr ? 64 : 16);
  }
  put_up(batch, e.interface);
  if (e.default_gateway) put_default_route(batch, index, *e.default_gateway);
  if (e.default_gateway6) put_default_route(batch, index, *e.default_gateway6);
  if (int error = send_batch(route, batch); error != 0) {
    std::string address = e.address ? e.address->str() : e.address6 ? e.address6->str() : "";
    throw Error("give " + e.interface + " the address " + address, error);
  }
}

void Kernel::settle(int route, const EndpointLink& e) {
  // Outwards: each makes the next one's carrier.
  wait_operational(route, e.interface);
  if (!e.parent.empty()) return;
  wait_operational(route_.get(), e.link);
  wait_operational(route_.get(), e.bridge);
}

void Kernel::detach(const std::string& link) { delete_bridge(link); }

void Kernel::set_default_route(int route, const std::string& interface, const Ip& gateway) {
  NetlinkBatch batch;
  put_default_route(batch, find_link(route, interface), gateway);
  int error = send_batch(route, batch);
  if (error != 0) throw Error("set the default route by " + gateway.str(), error);
}

void Kernel::remove_inside(int route, const std::string& interface) {
  NetlinkBatch batch;
  batch.begin(RTM_DELLINK, NLM_F_ACK, any_link());
  batch.put_string(IFLA_IFNAME, interface);
  int error = send_batch(route, batch);
  if (error != 0 && error != ENODEV) throw Error("remove the link " + interface, error);
}

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

std::vector<Prefix6> Kernel::routes6() {
  std::vector<Prefix6> out;
  rtmsg header{};
  header.rtm_family = AF_INET6;
  NetlinkBatch batch;
  batch.begin(RTM_GETROUTE, NLM_F_DUMP, header);
  int error = request(route_.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    rtmsg r;
    if (payload.size() < sizeof r) return;
    std::memcpy(&r, payload.data(), sizeof r);
    if (r.rtm_table != RT_TABLE_MAIN || r.rtm_dst_len == 0) return;
    for (const NetlinkAttribute& a : attributes(payload, sizeof r)) {
      auto destination = a.as<Ipv6>();
      if (a.type == RTA_DST && destination) out.push_back({*destination, r.rtm_dst_len});
    }
  });
  // A kernel without IPv6 has no routes of it.
  if (error != 0 && error != EAFNOSUPPORT && error != EOPNOTSUPP) {
    throw Error("list the host's IPv6 routes", error);
  }
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

std::vector<std::string> Kernel::links_of(const std::string& alias) {
  std::vector<std::string> out;
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP, any_link());
  int error = request(route_.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    std::string name, found;
    for (const NetlinkAttribute& a : attributes(payload, sizeof(ifinfomsg))) {
      if (a.type == IFLA_IFNAME) name = a.text();
      if (a.type == IFLA_IFALIAS) found = a.text();
    }
    if (found == alias) out.push_back(name);
  });
  if (error != 0) throw Error("list the host's links", error);
  return out;
}

}  // namespace pcompose::netns
