#include "engine/runtime/net_devices.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <optional>
#include <sched.h>

#include <fmt/format.h>

#include "base/error.h"
#include "base/netlink.h"

namespace pcompose::engine::runtime {
namespace {

// A network namespace, and a socket that speaks with it wherever we are.
struct Side {
  int ns = -1;
  Fd route;
};

// As the kernel told of it, to be said again on the other side.
struct Address {
  ifaddrmsg header{};
  uint32_t flags = 0;
  std::vector<std::pair<uint16_t, std::vector<uint8_t>>> values;
};

struct Link {
  int index = 0;  // 0: there is none
  unsigned flags = 0;
};

Fd open_netlink_in(int ns, int ours) {
  auto enter = [](int fd) {
    if (::setns(fd, CLONE_NEWNET) != 0) throw Error::from_errno("enter a network namespace");
  };
  enter(ns);
  Fd socket;
  try {
    socket = open_netlink(NETLINK_ROUTE);
  } catch (...) {
    enter(ours);
    throw;
  }
  enter(ours);
  return socket;
}

Link link_of(std::span<const uint8_t> payload) {
  ifinfomsg link{};
  if (payload.size() >= sizeof link) std::memcpy(&link, payload.data(), sizeof link);
  return {link.ifi_index, link.ifi_flags};
}

Link find_link(const Side& side, const std::string& name) {
  Link link;
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK, NLM_F_ACK, ifinfomsg{});
  batch.put_string(IFLA_IFNAME, name);
  int error = request(side.route.get(), batch,
                      [&](uint16_t, std::span<const uint8_t> payload) { link = link_of(payload); });
  if (error != 0 && error != ENODEV) throw Error("look for the device " + name, error);
  return link;
}

// An index that is free on `side`: `wanted`, where nobody has it.
int free_index(const Side& side, int wanted) {
  int highest = 0;
  bool taken = false;
  NetlinkBatch batch;
  batch.begin(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
  int error = request(side.route.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    int index = link_of(payload).index;
    highest = std::max(highest, index);
    taken = taken || index == wanted;
  });
  if (error != 0) throw Error("list the container's devices", error);
  return taken ? highest + 1 : wanted;
}

// Those "intended for persistent, external communication" (config-linux, "Network Devices").
std::optional<Address> lasting_address(std::span<const uint8_t> payload, int index) {
  Address address;
  if (payload.size() < sizeof address.header) return std::nullopt;
  std::memcpy(&address.header, payload.data(), sizeof address.header);
  address.flags = address.header.ifa_flags;
  for (const NetlinkAttribute& a : attributes(payload, sizeof address.header)) {
    if (a.type == IFA_FLAGS) address.flags = a.as<uint32_t>().value_or(0);
    // A label begins with the device's name (ip-address(8)), which changes.
    if (a.type == IFA_ADDRESS || a.type == IFA_LOCAL || a.type == IFA_BROADCAST ||
        a.type == IFA_RT_PRIORITY)
      address.values.emplace_back(a.type, std::vector<uint8_t>(a.data.begin(), a.data.end()));
  }
  bool lasts = static_cast<int>(address.header.ifa_index) == index &&
               address.header.ifa_scope == RT_SCOPE_UNIVERSE &&
               (address.flags & IFA_F_PERMANENT) != 0;
  return lasts ? std::optional(address) : std::nullopt;
}

std::vector<Address> lasting_addresses(const Side& side, int index) {
  std::vector<Address> out;
  NetlinkBatch batch;
  batch.begin(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  int error = request(side.route.get(), batch, [&](uint16_t, std::span<const uint8_t> payload) {
    if (auto address = lasting_address(payload, index)) out.push_back(std::move(*address));
  });
  if (error != 0) throw Error("list its addresses", error);
  return out;
}

void put_address(NetlinkBatch& batch, const Address& address, int index) {
  ifaddrmsg header{};
  header.ifa_family = address.header.ifa_family;
  header.ifa_prefixlen = address.header.ifa_prefixlen;
  header.ifa_scope = address.header.ifa_scope;
  header.ifa_index = static_cast<unsigned>(index);
  batch.begin(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, header);
  for (const auto& [type, value] : address.values) batch.put(type, value.data(), value.size());
  // The others tell of a state. No duplicate can have come up: it was its own until just now.
  uint32_t kept = address.flags & (IFA_F_NOPREFIXROUTE | IFA_F_MANAGETEMPADDR | IFA_F_HOMEADDRESS);
  batch.put(IFA_FLAGS, header.ifa_family == AF_INET6 ? kept | IFA_F_NODAD : kept);
}

// One message moves it and names it anew, and gives it an index that we know it by afterwards.
int send_over(const Side& from, const Side& to, const Link& link, int new_index,
              const std::string& name) {
  NetlinkBatch batch;
  ifinfomsg header{};
  header.ifi_index = link.index;
  batch.begin(RTM_NEWLINK, NLM_F_ACK, header);
  batch.put(IFLA_NET_NS_FD, static_cast<uint32_t>(to.ns));
  batch.put(IFLA_NEW_IFINDEX, static_cast<uint32_t>(new_index));
  batch.put_string(IFLA_IFNAME, name);
  return send_batch(from.route.get(), batch);
}

int configure(const Side& side, const Link& link, const std::vector<Address>& addresses) {
  NetlinkBatch batch;
  ifinfomsg header{};
  header.ifi_index = link.index;
  header.ifi_flags = link.flags & IFF_UP;
  header.ifi_change = IFF_UP;
  batch.begin(RTM_NEWLINK, NLM_F_ACK, header);
  for (const Address& address : addresses) put_address(batch, address, link.index);
  return send_batch(side.route.get(), batch);
}

void move(const NetDevice& device, const Side& host, const Side& container) {
  Link link = find_link(host, device.host_name);
  if (link.index == 0)
    throw Error("this machine has no such network device", ENODEV)
        .hint("`ip link` lists those of the namespace that we run in");
  if (device.name.find('%') == std::string::npos && find_link(container, device.name).index != 0)
    throw Error(fmt::format("the container has a device {} already", device.name), EEXIST)
        .hint("give it another `name`, or one that ends in %d");
  auto addresses = lasting_addresses(host, link.index);
  Link inside{free_index(container, link.index), IFF_UP};
  int error = send_over(host, container, link, inside.index, device.name);
  if (error == 0) error = configure(container, inside, addresses);
  if (error == 0) return;
  // A device that is not the machine's own would end with the container's namespace.
  if (send_over(container, host, inside, link.index, device.host_name) == 0)
    configure(host, link, addresses);
  Error failed(fmt::format("move it into the container as {}", device.name), error);
  if (error == EINVAL) failed.hint("lo, bridges and their like cannot leave their namespace");
  if (error == EPERM) failed.hint("the machine's devices are root's to give away");
  throw failed;
}

}  // namespace

void move_net_devices(const std::vector<NetDevice>& devices, int target) {
  Fd ours = open_file("/proc/self/ns/net", O_RDONLY);
  Side host{ours.get(), open_netlink(NETLINK_ROUTE)};
  Side container{target, open_netlink_in(target, ours.get())};
  for (const NetDevice& device : devices) {
    try {
      move(device, host, container);
    } catch (Error& e) {
      throw e.add("linux.netDevices." + device.host_name);
    }
  }
}

}  // namespace pcompose::engine::runtime
