// Network devices of the host that a bundle takes over; the host is a network namespace of the
// test.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/netlink.h"
#include "tests/runtime/bundle_fixture.h"

namespace pcompose::engine::runtime {
namespace {

void add_veth(int route, const std::string& name, const std::string& peer) {
  NetlinkBatch batch;
  batch.begin(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
  batch.put_string(IFLA_IFNAME, name);
  size_t info = batch.open(IFLA_LINKINFO);
  batch.put_string(IFLA_INFO_KIND, "veth");
  size_t data = batch.open(IFLA_INFO_DATA);
  size_t other = batch.open(VETH_INFO_PEER);
  batch.raw(ifinfomsg{});
  batch.put_string(IFLA_IFNAME, peer);
  batch.close(other);
  batch.close(data);
  batch.close(info);
  ASSERT_EQ(send_batch(route, batch), 0);
}

void add_address(int route, const std::string& name, const char* address, uint8_t scope) {
  uint8_t bytes[16];
  bool v6 = ::inet_pton(AF_INET6, address, bytes) == 1;
  if (!v6) ASSERT_EQ(::inet_pton(AF_INET, address, bytes), 1);
  ifaddrmsg header{};
  header.ifa_family = v6 ? AF_INET6 : AF_INET;
  header.ifa_prefixlen = v6 ? 64 : 24;
  header.ifa_scope = scope;
  header.ifa_index = ::if_nametoindex(name.c_str());
  NetlinkBatch batch;
  batch.begin(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE, header);
  batch.put(IFA_LOCAL, bytes, v6 ? 16 : 4);
  batch.put(IFA_ADDRESS, bytes, v6 ? 16 : 4);
  ASSERT_EQ(send_batch(route, batch), 0);
}

class NetDevicesTest : public BundleTest {
 protected:
  void SetUp() override {
    if (::geteuid() == 0) {
      outside_ = open_file("/proc/self/ns/net", O_RDONLY);
      ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
    }
    BundleTest::SetUp();
    if (IsSkipped()) return;
    Fd route = open_netlink(NETLINK_ROUTE);
    add_veth(route.get(), "cable", "socket");
    add_address(route.get(), "cable", "192.0.2.5", RT_SCOPE_UNIVERSE);
    add_address(route.get(), "cable", "2001:db8::5", RT_SCOPE_UNIVERSE);
    add_address(route.get(), "cable", "169.254.7.7", RT_SCOPE_LINK);
  }
  void TearDown() override {
    BundleTest::TearDown();
    if (outside_) ASSERT_EQ(::setns(outside_.get(), CLONE_NEWNET), 0);
  }
  Outcome run_with(const std::string& device, const std::string& name, const std::string& line) {
    linux_part()["netDevices"] = {{device, json::object{{"name", name}}}};
    return run(line);
  }

 private:
  Fd outside_;
};

TEST_F(NetDevicesTest, ADeviceTakesItsLastingAddressesAlong) {
  auto outcome = run_with("cable", "eth0", "busybox ip addr show dev eth0");
  EXPECT_EQ(outcome.code, 0) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "inet 192.0.2.5/24 scope global")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "inet6 2001:db8::5/64 scope global")) << outcome.output;
  EXPECT_FALSE(contains(outcome.output, "169.254.7.7")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "UP")) << outcome.output;
  // A virtual device ends with its namespace: network_namespaces(7).
  EXPECT_EQ(::if_nametoindex("cable"), 0U);
}

TEST_F(NetDevicesTest, ItKeepsItsNameOrGetsAFreeNumber) {
  linux_part()["netDevices"] = {{"cable", json::object()}, {"socket", {{"name", "lo%d"}}}};
  auto outcome = run("busybox ip -o link");
  EXPECT_TRUE(contains(outcome.output, " cable@lo0:")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, " lo0@cable:")) << outcome.output;
}

TEST_F(NetDevicesTest, WhatCannotBeMovedStaysWhereItIs) {
  auto missing = run_with("eth7", "eth0", "true");
  EXPECT_EQ(missing.code, 1);
  EXPECT_TRUE(contains(missing.output, "linux.netDevices.eth7: this machine has no such"))
      << missing.output;
  auto taken = run_with("cable", "lo", "true");
  EXPECT_TRUE(
      contains(taken.output, "linux.netDevices.cable: the container has a device lo already"))
      << taken.output;
  auto fixed = run_with("lo", "lo7", "true");
  EXPECT_TRUE(contains(fixed.output, "cannot leave their namespace")) << fixed.output;
  EXPECT_NE(::if_nametoindex("cable"), 0U);
}

// The container's namespace takes no IPv6 address, and would take the device along when it ends.
TEST_F(NetDevicesTest, ADeviceWhoseAddressesAreRefusedComesBackWithThem) {
  Fd host = open_file("/proc/self/ns/net", O_RDONLY);
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
  write_all(open_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY).get(), "1");
  Fd theirs = open_file("/proc/self/ns/net", O_RDONLY);
  ASSERT_EQ(::setns(host.get(), CLONE_NEWNET), 0);
  for (auto& ns : linux_part()["namespaces"].as_array()) {
    if (ns.at("type").as_string() != "network") continue;
    ns.as_object()["path"] =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(theirs.get());
  }
  auto outcome = run_with("cable", "eth0", "true");
  EXPECT_TRUE(
      contains(outcome.output, "linux.netDevices.cable: move it into the container as eth0"))
      << outcome.output;
  EXPECT_NE(::if_nametoindex("cable"), 0U);
  size_t addresses = 0;
  NetlinkBatch batch;
  batch.begin(RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{});
  Fd route = open_netlink(NETLINK_ROUTE);
  request(route.get(), batch, [&](uint16_t, std::span<const uint8_t>) { ++addresses; });
  EXPECT_EQ(addresses, 2U);
}

}  // namespace
}  // namespace pcompose::engine::runtime
