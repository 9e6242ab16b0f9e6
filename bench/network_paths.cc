// network_paths: what published ports and name queries cost, in a host of its own. Needs root.
//
//   network_paths ports [ROUNDS]   iperf3 from the host to a container: directly, by the nftables
//                                  map, spliced, and by the forwarders that RIVALS names; ratios
//                                  of medians. bench/ports starts those.
//   network_paths publish          the first and the 500th published port
//   network_paths dns [QPS]        dnsperf inside a container against its name server
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <map>
#include <sstream>
#include <unistd.h>

#include "base/json.h"
#include "base/process.h"
#include "netns/dns_server.h"
#include "netns/forwarder_client.h"
#include "netns/networks.h"
#include "tests/netns/fake_host.h"
#include "tests/netns/loop_thread.h"

namespace pcompose::netns {
namespace {

constexpr const char* kOutput = "/run/bench.out";

// Runs a program in a namespace (-1: the host) and returns what it prints.
Child start_in(int namespace_fd, std::vector<std::string> argv, const char* output = kOutput) {
  std::optional<Child> out;
  in_namespace(namespace_fd, [&] {
    Fd file = open_file(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    out.emplace(spawn({.argv = std::move(argv),
                       .environment = current_environment(),
                       .fds = {{0, 0}, {file.get(), 1}, {file.get(), 2}},
                       .session = Session::same,
                       .directory = "/"}));
  });
  return std::move(*out);
}

std::string run_in(int namespace_fd, std::vector<std::string> argv) {
  start_in(namespace_fd, std::move(argv)).wait();
  return read_file(kOutput);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.at(values.size() / 2);
}

struct Stage {
  Stage() {
    make_directories(roots.run);
    NetworkSpec spec;
    spec.name = "bench";
    loop.wait(networks.ensure_network(spec));
    ReplicaSpec replica;
    replica.container = "c";
    replica.replica = "bench-web-1";
    replica.attachments = {{.network = "bench", .names = {"web"}}};
    web = loop.wait(networks.make_replica(replica));
  }
  PublishSpec port(uint16_t number) {
    PublishSpec out;
    out.container = "c";
    out.port = number;
    out.target_port = 5201;
    return out;
  }
  Roots roots{"/run/bench", "/run/bench/run", "pcompose-bench"};
  TestLoop loop;
  Networks networks{roots};
  ReplicaNet web;
};

double gigabits(const std::string& host, uint16_t port) {
  std::string text = run_in(
      -1, {"/usr/bin/iperf3", "-c", host, "-p", std::to_string(port), "-J", "-t", "2", "-O", "0"});
  json::value parsed = json::parse(text);
  return parsed.at("end").at("sum_received").at("bits_per_second").to_number<double>() / 1e9;
}

// Other people's forwarders, which bench/ports has started: "pasta=18081 docker-proxy=18082".
std::map<std::string, uint16_t> rivals() {
  const char* named = std::getenv("RIVALS");
  std::istringstream words(named == nullptr ? "" : named);
  std::map<std::string, uint16_t> out;
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    out[word.substr(0, equals)] = static_cast<uint16_t>(std::stoi(word.substr(equals + 1)));
  }
  return out;
}

// Whether what this project promises holds; `medians` by way.
int judge(const std::map<std::string, double>& medians) {
  for (const auto& [way, value] : medians)
    std::printf("%-12s %6.2f Gbit/s  %.2f\n", way.c_str(), value, value / medians.at("direct"));
  bool good = medians.at("nftables") >= 0.9 * medians.at("direct");
  for (auto [rival, least] : {std::pair("pasta", 0.9), std::pair("docker-proxy", 1.0)}) {
    if (!medians.contains(rival)) continue;
    double ratio = medians.at("spliced") / medians.at(rival);
    std::printf("spliced / %-12s %.2f\n", rival, ratio);
    good = good && ratio >= least;
  }
  return good ? 0 : 1;
}

int bench_ports(int rounds) {
  Stage stage;
  auto reserved = stage.loop.wait(stage.networks.reserve({stage.port(18080)}));
  ForwarderClient forwarder([](int) {});
  for (const PortRow& row : stage.loop.wait(stage.networks.publish({stage.port(18080)}))) {
    forwarder.add("bench", row, reserved.at(1).socket);
  }
  Child server = start_in(stage.web.namespace_fd.get(), {"/usr/bin/iperf3", "-s"}, "/dev/null");
  std::map<std::string, std::vector<double>> results;
  std::string container = stage.web.endpoints[0].address->str();
  auto others = rivals();
  ::usleep(300000);
  for (int i = 0; i < rounds; ++i) {
    results["direct"].push_back(gigabits(container, 5201));
    results["nftables"].push_back(gigabits("127.0.0.1", 18080));
    results["spliced"].push_back(gigabits("::1", 18080));
    for (const auto& [name, port] : others) results[name].push_back(gigabits("127.0.0.1", port));
  }
  server.pidfd().send_signal(SIGKILL);
  server.wait();
  forwarder.quit();
  std::map<std::string, double> medians;
  for (auto& [way, values] : results) medians[way] = median(std::move(values));
  return judge(medians);
}

double now_ms() {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

int bench_publish() {
  Stage stage;
  std::vector<double> costs;
  std::vector<ReservedPort> held;
  for (uint16_t i = 0; i < 500; ++i) {
    PublishSpec port = stage.port(static_cast<uint16_t>(20000 + i));
    double before = now_ms();
    for (ReservedPort& r : stage.loop.wait(stage.networks.reserve({port}))) {
      held.push_back(std::move(r));
    }
    stage.loop.wait(stage.networks.publish({port}));
    costs.push_back(now_ms() - before);
  }
  // Single ones are noisy: the medians of the first and the last twenty (the very first makes the
  // table).
  double first = median({costs.begin() + 1, costs.begin() + 21});
  double last = median({costs.end() - 20, costs.end()});
  std::printf("first ports %.3f ms, 500th %.3f ms: %.2f\n", first, last, last / first);
  return last <= 2 * first ? 0 : 1;
}

class OneName : public Names {
 public:
  std::optional<Found> find(const std::string&, const std::string& name) override {
    if (name != "web") return {};
    return Found{{Ipv4{0x0a700002}}, {}, {}, {}};
  }
  std::optional<std::string> reverse(const std::string&, const Ip&) override { return {}; }
  bool may_leave(const std::string&) override { return false; }
};

// dnsperf -v prints "> NOERROR web A 0.000123" for every answer.
std::vector<double> latencies(const std::string& text) {
  std::vector<double> out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("> NOERROR")) continue;
    out.push_back(std::strtod(line.c_str() + line.rfind(' '), nullptr) * 1000);
  }
  return out;
}

int bench_dns(const std::string& rate) {
  Stage stage;
  OneName names;
  std::unique_ptr<DnsServer> server;
  stage.loop.call([&] {
    server = std::make_unique<DnsServer>(stage.loop.executor(), names);
    server->serve("web", stage.web.dns.udp.duplicate(), stage.web.dns.tcp.duplicate());
  });
  replace_file("/run/queries", "web A\n");
  std::string text = run_in(stage.web.namespace_fd.get(),
                            {"/usr/bin/dnsperf", "-s", "127.0.0.11", "-d", "/run/queries", "-l",
                             "5", "-Q", rate, "-c", "1", "-q", "100", "-v"});
  stage.loop.wait(server->stop_all());
  auto all = latencies(text);
  if (all.empty()) {
    std::printf("no answers:\n%s", text.c_str());
    return 1;
  }
  std::ranges::sort(all);
  double p99 = all.at(all.size() * 99 / 100);
  std::printf("%.0f answers/s, p50 %.3f ms, p99 %.3f ms\n", static_cast<double>(all.size()) / 5,
              all.at(all.size() / 2), p99);
  size_t summary = text.find("Statistics:");
  if (summary != std::string::npos) std::printf("%s", text.substr(summary).c_str());
  return p99 < 2 ? 0 : 1;
}

int run(const std::vector<std::string>& arguments) {
  std::string what = arguments.size() > 1 ? arguments[1] : "";
  std::string number = arguments.size() > 2 ? arguments[2] : "";
  if (std::getenv("RIVALS") == nullptr && !enter_fake_host()) {
    std::fprintf(stderr, "network_paths: must run as root\n");
    return 1;
  }
  if (what == "ports") return bench_ports(number.empty() ? 5 : std::stoi(number));
  if (what == "publish") return bench_publish();
  if (what == "dns") return bench_dns(number.empty() ? "20000" : number);
  std::fprintf(stderr, "network_paths ports [ROUNDS] | publish | dns [QPS]\n");
  return 2;
}

}  // namespace
}  // namespace pcompose::netns

int main(int argc, char** argv) { return pcompose::netns::run({argv, argv + argc}); }
