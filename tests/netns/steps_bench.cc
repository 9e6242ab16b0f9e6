// What a container's network costs, step by step: netns_steps_bench [N]. In a host of our own, as
// root.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "netns/kernel.h"
#include "tests/netns/fake_host.h"

using namespace pcompose;
using namespace pcompose::netns;

namespace {

double now_ms() {
  auto t = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(t).count();
}

EndpointLink endpoint(const BridgeSpec& bridge, unsigned i) {
  EndpointLink e;
  e.bridge = bridge.name;
  e.link = "pcv-" + std::to_string(i);
  e.interface = "eth0";
  e.address = Ipv4{bridge.gateway.value + 1 + i};
  e.prefix_length = bridge.subnet.length;
  e.default_gateway = bridge.gateway;
  e.mac = Mac::of(e.address);
  return e;
}

}  // namespace

int main(int argc, char** argv) {
  unsigned n = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 50;
  if (!enter_fake_host()) return 1;
  Prefix subnet = *Prefix::parse("10.112.0.0/22");
  BridgeSpec bridge{"pc-bench", subnet, subnet.first()};
  Kernel kernel;
  double t0 = now_ms();
  kernel.ensure_bridge(bridge);
  double t1 = now_ms();
  std::vector<Namespace> all;
  all.reserve(n);
  for (unsigned i = 0; i < n; ++i) all.push_back(kernel.make_namespace(Dns::none));
  double t2 = now_ms();
  for (Namespace& ns : all) ns.dns = kernel.open_dns(ns.fd.get());
  double t3 = now_ms();
  for (unsigned i = 0; i < n; ++i) {
    kernel.attach(all[i].fd.get(), all[i].route.get(), endpoint(bridge, i));
  }
  double t4 = now_ms();
  all.clear();
  kernel.delete_bridge(bridge.name);
  double t5 = now_ms();
  std::printf(
      "bridge %.2f ms; per container of %u: namespace %.3f, dns %.3f, attach %.3f, "
      "together %.3f ms; teardown of all %.1f ms\n",
      t1 - t0, n, (t2 - t1) / n, (t3 - t2) / n, (t4 - t3) / n, (t4 - t1) / n, t5 - t4);
  return 0;
}
