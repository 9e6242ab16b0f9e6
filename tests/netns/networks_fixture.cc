#include "tests/netns/networks_fixture.h"

#include <unistd.h>

#include "netns/firewall.h"
#include "netns/sysctl.h"
#include "tests/eventually.h"

namespace pcompose::netns {
namespace {

constexpr const char* kTag = "pcompose-test";

Roots test_roots() {
  Roots roots;
  roots.state = "/run/root";
  roots.run = "/run/root/run";
  roots.tag = kTag;
  if (::geteuid() == 0) make_directories(roots.run);
  return roots;
}

}  // namespace

bool NetworksTest::ready_ = false;

NetworkSpec network(const std::string& name, Reach reach) {
  NetworkSpec spec;
  spec.name = name;
  spec.project = "shop";
  spec.reach = reach;
  return spec;
}

ReplicaSpec replica(const std::string& name, const std::vector<std::string>& networks) {
  ReplicaSpec spec;
  spec.container = "id-" + name;
  spec.project = "shop";
  spec.service = name;
  spec.replica = "shop-" + name + "-1";
  for (const std::string& n : networks) {
    spec.attachments.push_back({.network = n, .names = {name}});
  }
  return spec;
}

PublishSpec published(const std::string& container, const std::string& host, uint16_t port,
                      Protocol protocol) {
  PublishSpec spec;
  spec.container = "id-" + container;
  spec.host_ip = host;
  spec.port = port;
  spec.protocol = protocol;
  spec.target_port = 80;
  return spec;
}

std::string message_of(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

Lan::Lan(Kernel& kernel, const std::string& name, const std::string& gateway,
         const std::string& host)
    : kernel_(kernel), name_(name) {
  Ip router = Ip::parse(gateway).value();
  Ip address = Ip::parse(host).value();
  BridgeSpec bridge{.name = name};
  EndpointLink link;
  link.bridge = name;
  link.link = name + "-v";
  link.interface = "eth0";
  if (const Ipv6* v6 = router.v6()) {
    bridge.ipv4 = false;
    bridge.subnet6 = Prefix6::parse(gateway + "/64");
    bridge.gateway6 = *v6;
    link.address6 = *address.v6();
    link.default_gateway6 = *v6;
    link.mac = Mac::of(*address.v6());
  } else {
    bridge.subnet = *Prefix::parse(gateway + "/24");
    bridge.gateway = *router.v4();
    link.address = *address.v4();
    link.default_gateway = *router.v4();
    link.mac = Mac::of(*address.v4());
  }
  kernel.ensure_bridge(bridge);
  space_ = kernel.make_namespace(Dns::none);
  kernel.attach(space_.fd.get(), space_.route.get(), link);
  kernel.settle(space_.route.get(), link);
}

Lan::~Lan() {
  kernel_.delete_bridge(name_);
  kernel_.detach(name_ + "-v");
}

NetworksTest::NetworksTest() : roots_(test_roots()), networks_(roots_) {}

void NetworksTest::SetUpTestSuite() {
  ready_ = enter_fake_host();
  if (!ready_) return;
  // What another program's host may have on.
  write_sysctl("net/ipv4/ip_forward", "0");
  write_sysctl("net/ipv6/conf/all/forwarding", "0");
}

void NetworksTest::SetUp() {
  if (!ready_) GTEST_SKIP() << "needs root";
}

void NetworksTest::TearDown() {
  if (!ready_) return;
  for (const NetworkRow& row : loop_.wait(networks_.list())) {
    std::vector<std::string> containers;
    for (const EndpointRow& e : loop_.wait(networks_.endpoints())) {
      containers.push_back(e.container);
    }
    EXPECT_TRUE(loop_.wait(networks_.remove_replicas(containers)).empty());
    EXPECT_TRUE(loop_.wait(networks_.remove_network(row.name)).empty());
  }
  Kernel kernel;
  // Namespaces die asynchronously.
  EXPECT_TRUE(test::eventually([&] { return kernel.links().size() == 1; }));
  EXPECT_FALSE(Firewall(kTag).table_exists());
  EXPECT_EQ(read_sysctl("net/ipv4/ip_forward"), "0");
  EXPECT_EQ(read_sysctl("net/ipv6/conf/all/forwarding"), "0");
}

}  // namespace pcompose::netns
