// Kernel's links of a container that hang on a link of the host: macvlan and ipvlan.
#include <cerrno>
#include <linux/if_link.h>

#include "base/error.h"
#include "netns/kernel.h"
#include "netns/link_messages.h"

namespace pcompose::netns {
namespace {

uint32_t macvlan_mode(const std::string& mode) {
  if (mode == "vepa") return MACVLAN_MODE_VEPA;
  if (mode == "private") return MACVLAN_MODE_PRIVATE;
  if (mode == "passthru") return MACVLAN_MODE_PASSTHRU;
  return MACVLAN_MODE_BRIDGE;
}

uint16_t ipvlan_mode(const std::string& mode) {
  if (mode == "l3") return IPVLAN_MODE_L3;
  if (mode == "l3s") return IPVLAN_MODE_L3S;
  return IPVLAN_MODE_L2;
}

void put_kind(NetlinkBatch& batch, const EndpointLink& e) {
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, e.kind);
  size_t data = batch.open(IFLA_INFO_DATA);
  if (e.kind == "macvlan") {
    batch.put(IFLA_MACVLAN_MODE, macvlan_mode(e.mode));
  } else {
    batch.put(IFLA_IPVLAN_MODE, ipvlan_mode(e.mode));
  }
  batch.close(data);
  batch.close(info);
}

}  // namespace

void Kernel::make_child_link(int namespace_fd, const EndpointLink& e) {
  int parent = find_link(route_.get(), e.parent);
  if (parent == 0) {
    throw Error("the host has no link " + e.parent)
        .hint("driver_opts.parent names a link that `ip link` shows");
  }
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, any_link());
  batch.put_string(IFLA_IFNAME, e.interface);
  batch.put(IFLA_LINK, parent);
  // An ipvlan has its parent's.
  if (e.kind == "macvlan") batch.put(IFLA_ADDRESS, e.mac.bytes.data(), e.mac.bytes.size());
  batch.put(IFLA_NET_NS_FD, namespace_fd);
  if (e.mtu > 0) batch.put(IFLA_MTU, e.mtu);
  put_kind(batch, e);
  int error = send_batch(route_.get(), batch);
  if (error == EOPNOTSUPP) {
    throw Error("this kernel has no " + e.kind)
        .hint("load the module " + e.kind + ", or use the driver bridge");
  }
  if (error != 0) throw Error("make a " + e.kind + " on " + e.parent, error);
}

}  // namespace pcompose::netns
