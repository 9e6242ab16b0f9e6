// What a container's network costs, step by step: netns_steps_bench [N]. In a host of our own, as
// root.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "base/error.h"
#include "netns/kernel.h"
#include "netns/networks.h"
#include "tests/netns/fake_host.h"
#include "tests/netns/loop_thread.h"

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
  e.mac = Mac::of(*e.address);
  return e;
}

// The kernel's side alone.
void bench_kernel(unsigned n) {
  Prefix subnet = *Prefix::parse("10.112.0.0/22");
  BridgeSpec bridge{.name = "pc-bench", .subnet = subnet, .gateway = subnet.first()};
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
  for (unsigned i = 0; i < n; ++i) kernel.settle(all[i].route.get(), endpoint(bridge, i));
  double t45 = now_ms();
  all.clear();
  kernel.delete_bridge(bridge.name);
  double t5 = now_ms();
  std::printf(
      "kernel: bridge %.2f ms; per container of %u: namespace %.3f, dns %.3f, attach %.3f, "
      "settle %.3f, together %.3f ms; teardown of all %.1f ms\n",
      t1 - t0, n, (t2 - t1) / n, (t3 - t2) / n, (t4 - t3) / n, (t45 - t4) / n, (t45 - t1) / n,
      t5 - t45);
}

// All asked for before the first is answered, as a plan does it.
Task<> ensure_all(Networks& networks, const std::vector<std::string>& names) {
  TaskGroup group(co_await asio::this_coro::executor);
  for (const std::string& name : names) {
    NetworkSpec spec;
    spec.name = name;
    spec.project = "bench";
    group.spawn([](Networks& all, NetworkSpec one) -> Task<> {
      co_await all.ensure_network(std::move(one));
    }(networks, std::move(spec)));
  }
  co_await group.join();
}

// With rows, locks and the firewall.
void bench_facade(unsigned n) {
  Roots roots{"/run/bench", "/run/bench/run", "pcompose-bench"};
  make_directories(roots.run);
  TestLoop loop;
  Networks networks(roots);
  NetworkSpec spec;
  spec.name = "bench";
  std::vector<ReplicaSpec> replicas(n);
  std::vector<PublishSpec> ports(n);
  std::vector<std::string> containers;
  for (unsigned i = 0; i < n; ++i) {
    std::string id = std::to_string(i);
    replicas[i].container = ports[i].container = "c" + id;
    replicas[i].replica = "bench-web-" + id;
    replicas[i].attachments = {{.network = "bench", .names = {"web", "bench-web-" + id}}};
    ports[i].port = static_cast<uint16_t>(20000 + i);
    ports[i].target_port = 80;
    containers.push_back("c" + id);
  }
  loop.wait(networks.list());  // opens the database, loads libnftables
  double t0 = now_ms();
  loop.wait(networks.ensure_network(spec));
  double t1 = now_ms();
  auto made = loop.wait(networks.make_replicas(replicas));
  double t2 = now_ms();
  auto reserved = loop.wait(networks.reserve(ports));
  loop.wait(networks.publish(ports));
  double t3 = now_ms();
  made.clear();
  loop.wait(networks.remove_replicas(containers));
  double t4 = now_ms();
  loop.wait(networks.remove_network("bench"));
  double t5 = now_ms();
  std::printf(
      "facade: network %.2f ms; replica %.3f ms each; reserve and publish %.3f ms each; "
      "remove replicas %.3f ms each; remove network %.1f ms\n",
      t1 - t0, (t2 - t1) / n, (t3 - t2) / n, (t4 - t3) / n, t5 - t4);
}

// `n` networks at once, by the facade and by the kernel alone.
void bench_networks(unsigned n) {
  Roots roots{"/run/bench", "/run/bench/run", "pcompose-bench"};
  make_directories(roots.run);
  TestLoop loop;
  Networks networks(roots);
  std::vector<std::string> names;
  for (unsigned i = 0; i < n; ++i) names.push_back("many" + std::to_string(i));
  loop.wait(networks.list());
  double t0 = now_ms();
  loop.wait(ensure_all(networks, names));
  double t1 = now_ms();
  loop.wait(networks.release_networks(names, "bench"));
  double t2 = now_ms();
  Kernel kernel;
  std::vector<std::string> bridges;
  for (unsigned i = 0; i < n; ++i) {
    Prefix subnet{Ipv4{0x0a000000 + (i << 8U)}, 24};
    BridgeSpec bridge{
        .name = "pc-bench" + std::to_string(i), .subnet = subnet, .gateway = subnet.first()};
    kernel.ensure_bridge(bridge);
    bridges.push_back(bridge.name);
  }
  double t3 = now_ms();
  kernel.delete_bridges(bridges, 77);
  double t4 = now_ms();
  std::printf(
      "%u networks: facade up %.0f ms, down %.0f ms; the kernel alone up %.0f ms, down %.0f ms\n",
      n, t1 - t0, t2 - t1, t3 - t2, t4 - t3);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned n = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 50;
  if (!enter_fake_host()) return 1;
  bench_facade(n);
  bench_kernel(n);
  bench_networks(4 * n);
  return 0;
}
