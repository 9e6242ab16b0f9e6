// Who reaches whom: containers, the host, its neighbours, by real packets and as root and ordinary
// user alike.
#include <arpa/inet.h>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "netns/link_messages.h"
#include "tests/fixture/ordinary_user.h"
#include "tests/netns/networks_fixture.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using netns::EchoServer;
using netns::Lan;
using netns::tcp_ask;
using netns::udp_ask;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kHost = "192.168.7.1";
constexpr const char* kWorld = "192.168.7.2";
constexpr const char* kSleep = "{image: busybox, command: sleep 1000, stop_grace_period: 0s";

class PathsTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    if (IsSkipped()) return;
    lan_.emplace(kernel_, "lan0", kHost, kWorld);
    lan6_.emplace(kernel_, "lan6", "fd77::1", "fd77::2");
    world_.emplace(lan_->fd(), 80, "world");
    // What pasta takes for the way out.
    Fd route = open_netlink(NETLINK_ROUTE);
    NetlinkBatch batch;
    netns::put_default_route(batch, kernel_.links().at("lan0"), netns::Ip::parse(kWorld).value());
    ASSERT_EQ(send_batch(route.get(), batch), 0);
  }
  void TearDown() override {
    if (directory_.empty()) return;
    pcompose({"down", "-v", "-t", "0"});
    world_.reset();
    lan6_.reset();
    lan_.reset();
    StackTest::TearDown();
  }
  std::string in(const std::string& service, const std::string& command) {
    Result r = pcompose({"exec", "-T", service, "sh", "-c", command});
    return r.out + r.err;
  }
  // What the world answers a container; "" where it does not get there.
  std::string way_out(const std::string& service) {
    return tcp_ask(network_of(service).get(), kWorld, 80, std::chrono::seconds(2));
  }

  netns::Kernel kernel_;
  std::optional<Lan> lan_, lan6_;
  std::optional<EchoServer> world_;
};

TEST_F(PathsTest, APortIsReachedFromEverywhere) {
  compose(
      fmt::format("services:\n  web: {0}, ports: ['18130:80', '18130:80/udp']}}\n"
                  "  app: {0}}}\n  far: {0}, networks: [other]}}\nnetworks: {{other: {{}}}}\n",
                  kSleep));
  expect(0, {"up", "-d"});
  Fd web = network_of("web"), app = network_of("app"), far = network_of("far");
  EchoServer server(web.get(), 80, "web");
  struct From {
    const char* what;
    int place;
    const char* address;
  };
  const From everywhere[] = {{"the host", -1, "127.0.0.1"},
                             {"the host", -1, "::1"},
                             {"the host", -1, kHost},
                             {"outside", lan_->fd(), kHost},
                             {"outside", lan6_->fd(), "fd77::1"},
                             {"a sibling", app.get(), kHost},
                             {"another network", far.get(), kHost},
                             {"itself", web.get(), kHost}};
  for (const From& from : everywhere) {
    EXPECT_THAT(tcp_ask(from.place, from.address, 18130), StartsWith("web "))
        << from.what << " by " << from.address;
    EXPECT_THAT(udp_ask(from.place, from.address, 18130, "x"), StartsWith("web "))
        << from.what << " by udp and " << from.address;
  }
  EXPECT_EQ(tcp_ask(lan_->fd(), kHost, 18130), std::string("web ") + kWorld) << "who called";
  EXPECT_EQ(udp_ask(lan_->fd(), kHost, 18130, "x"), std::string("web ") + kWorld);
}

TEST_F(PathsTest, TheWayOut) {
  compose(
      fmt::format("services:\n  app: {0}}}\n  kept: {0}, networks: [inside]}}\n"
                  "  both: {0}, networks: [inside, default]}}\n  lone: {0}, network_mode: none}}\n"
                  "networks: {{inside: {{internal: true}}}}\n",
                  kSleep));
  expect(0, {"up", "-d"});
  EXPECT_EQ(way_out("app"), std::string("world ") + kHost);
  EXPECT_EQ(way_out("both"), std::string("world ") + kHost);
  EXPECT_EQ(way_out("kept"), "") << "internal";
  EXPECT_EQ(way_out("lone"), "");
  EXPECT_THAT(in("lone", "ip -o link"), Not(HasSubstr("eth0")));
}

TEST_F(PathsTest, NetworksAreApart) {
  compose(
      fmt::format("services:\n  a: {0}, networks: [one]}}\n  b: {0}, networks: [two]}}\n"
                  "  both: {0}, networks: [one, two]}}\n"
                  "networks: {{one: {{enable_ipv6: true}}, two: {{enable_ipv6: true}}}}\n",
                  kSleep));
  expect(0, {"up", "-d"});
  Fd a = network_of("a"), b = network_of("b"), both = network_of("both");
  EchoServer server(b.get(), 80, "b");
  for (const char* family : {"-4", "-6"}) {
    std::string address = in("b", std::string("ip -o ") + family +
                                      " address show dev eth0 scope global | sed "
                                      "'s/.*inet6* \\([^/]*\\).*/\\1/'");
    address.resize(address.find('\n'));
    EXPECT_THAT(tcp_ask(both.get(), address, 80), StartsWith("b ")) << address;
    EXPECT_EQ(tcp_ask(a.get(), address, 80, netns::kSilence), "") << address;
    EXPECT_EQ(tcp_ask(lan_->fd(), address, 80, netns::kSilence), "") << address;
  }
  EXPECT_THAT(in("a", "nslookup -type=a b 127.0.0.11"), Not(HasSubstr("Name:"))) << "nor by name";
}

TEST_F(PathsTest, ModeHostIsTheHostsOwn) {
  compose(fmt::format("services:\n  app: {}, network_mode: host}}\n", kSleep));
  expect(0, {"up", "-d"});
  EXPECT_THAT(in("app", "ip -o link"), HasSubstr("lan0"));
  EXPECT_EQ(way_out("app"), std::string("world ") + kHost);
}

TEST_F(PathsTest, AddressesOfTheFile) {
  compose(R"(services:
  first: {image: busybox, command: sleep 1000, stop_grace_period: 0s, networks: [n]}
  second:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    networks:
      n:
        ipv4_address: 10.66.0.65
        mac_address: "02:00:00:00:66:01"
        interface_name: lan7
        link_local_ips: [169.254.7.7]
        gw_priority: 1
      m: {}
networks:
  n:
    driver_opts: {com.docker.network.driver.mtu: "1400"}
    ipam:
      config:
        - subnet: 10.66.0.0/24
          ip_range: 10.66.0.64/26
          gateway: 10.66.0.254
          aux_addresses: {router: 10.66.0.64}
  m: {enable_ipv4: false, enable_ipv6: true}
)");
  expect(0, {"up", "-d"});
  EXPECT_THAT(in("first", "ip -o -4 address show dev eth0"), HasSubstr("10.66.0.66/24"))
      << "the range without what is spoken for";
  std::string second = in("second", "ip address");
  for (const char* text :
       {"10.66.0.65/24", "02:00:00:00:66:01", " lan7@", "169.254.7.7/", "mtu 1400"})
    EXPECT_THAT(second, HasSubstr(text));
  EXPECT_THAT(in("second", "ip route"), HasSubstr("default via 10.66.0.254 dev lan7"));
  EXPECT_EQ(in("second", "ip -o -4 address show dev eth0"), "") << "enable_ipv4: false";
  EXPECT_THAT(in("second", "ip -o -6 address show dev eth0 scope global"), HasSubstr(" fd"));
}

TEST_F(PathsTest, ConnectionsOutliveTheSupervisor) {
  compose(R"(services:
  web: {image: busybox, command: nc -ll -p 80 -e cat, stop_grace_period: 0s, ports: ["18131:80"]}
)");
  expect(0, {"up", "-d"});
  auto connect_to = [](const char* address) {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(18131);
    ::inet_pton(AF_INET6, address, &to.sin6_addr);
    timeval limit{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? std::move(fd)
                                                                                 : Fd();
  };
  auto echoes = [](const Fd& fd) {
    char answer[4] = {};
    return ::send(fd.get(), "ping", 4, MSG_NOSIGNAL) == 4 &&
           ::recv(fd.get(), answer, 4, MSG_WAITALL) == 4 && std::string(answer, 4) == "ping";
  };
  Fd v4, v6;
  ASSERT_TRUE(eventually([&] { return (v4 = connect_to("::ffff:127.0.0.1")) && echoes(v4); }));
  ASSERT_TRUE(eventually([&] { return (v6 = connect_to("::1")) && echoes(v6); }));
  pid_t before = supervisor();
  ::kill(before, SIGKILL);
  EXPECT_TRUE(echoes(v4) && echoes(v6)) << "without a supervisor";
  EXPECT_TRUE(eventually([&] { return supervisor() > 0 && supervisor() != before; }));
  EXPECT_EQ(state("web"), "running");
  EXPECT_TRUE(echoes(v4) && echoes(v6)) << "with the next one";
}

TEST_F(PathsTest, LowPorts) {
  compose(fmt::format("services:\n  web: {}, ports: ['127.0.0.1:80:80']}}\n", kSleep));
  if (!fixture::is_rootless()) {
    expect(0, {"up", "-d"});
    return;
  }
  Result up = expect(1, {"up", "-d"});
  EXPECT_THAT(up.err, HasSubstr("compose.yaml:3:"));
  EXPECT_THAT(up.err, HasSubstr("net.ipv4.ip_unprivileged_port_start"));
  EXPECT_TRUE(ps().empty());
}

TEST_F(PathsTest, SlirpWherePastaIsNot) {
  if (!fixture::is_rootless()) GTEST_SKIP() << "only an ordinary user needs it";
  if (::access("/usr/bin/slirp4netns", X_OK) != 0) GTEST_SKIP() << "needs slirp4netns";
  ASSERT_EQ(::mount("/dev/null", "/usr/bin/pasta", nullptr, MS_BIND, nullptr), 0);
  compose(fmt::format("services:\n  app: {}}}\n", kSleep));
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] { return way_out("app").starts_with("world "); }));
  EXPECT_EQ(tcp_ask(network_of("app").get(), "10.0.2.2", 80, netns::kSilence), "")
      << "slirp's name for the host's 127.0.0.1";
  expect(0, {"down", "-t", "0"});
  ::umount2("/usr/bin/pasta", MNT_DETACH);
}

// Of one program of this root, all.
std::set<pid_t> pids_of(const std::string& program, const std::string& root) {
  std::set<pid_t> out;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
    std::error_code ended;
    auto path = std::filesystem::read_symlink(entry.path() / "exe", ended);
    if (ended || path.filename() != program) continue;
    std::ifstream file(entry.path() / "environ");
    std::string environment((std::istreambuf_iterator<char>(file)), {});
    if (environment.contains("PCOMPOSE_ROOT=" + root))
      out.insert(std::stoi(entry.path().filename().string()));
  }
  return out;
}

TEST_F(PathsTest, ANeighbouringProjectMayBeKilled) {
  expect(0, {"network", "create", "meet"});
  std::string meet = ", networks: [meet]}\nnetworks: {meet: {external: true}}\n";
  compose(std::string("services:\n  app: ") + kSleep + meet);
  write("other/compose.yaml", std::string("name: other\nservices:\n  web: ") + kSleep + meet);
  expect(0, {"up", "-d"});
  expect(0, {"-f", "other/compose.yaml", "up", "-d"});
  auto found = [&] { return in("app", "nslookup -type=a web 127.0.0.11").contains("Name:"); };
  auto reached = [&] { return in("app", "ping -c 1 -W 1 web").contains("1 packets received"); };
  EXPECT_TRUE(eventually(reached));
  auto before = pids_of("pcompose-supervisor", root());
  EXPECT_EQ(before.size(), 2U);
  for (pid_t pid : before) ::kill(pid, SIGKILL);
  EXPECT_TRUE(eventually(reached)) << "both supervisors killed";
  expect(0, {"-f", "other/compose.yaml", "kill"});
  EXPECT_TRUE(eventually([&] { return !reached(); }));
  expect(0, {"-f", "other/compose.yaml", "up", "-d"});
  EXPECT_TRUE(eventually(reached)) << "and up again";
  expect(0, {"-f", "other/compose.yaml", "down"});
  EXPECT_TRUE(eventually([&] { return !found(); }));
  expect(0, {"down"});
  expect(0, {"network", "rm", "meet"});
}

// Somebody removes the database of a root that is up. An ordinary user's bridges end with their
// holder.
TEST_F(PathsTest, WhatNoRowKnowsIsFound) {
  if (fixture::is_rootless()) GTEST_SKIP() << "nothing of it outlives the processes";
  compose(fmt::format("services:\n  app: {}}}\n", kSleep));
  expect(0, {"up", "-d"});
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"})
    std::filesystem::rename(root() + "/" + name, file(name));
  std::string text = expect(1, {"system", "check"}).out;
  EXPECT_THAT(text, HasSubstr("no network knows the bridge pc-"));
  EXPECT_THAT(text, HasSubstr("no network knows the nftables table inet pcompose-"));
  EXPECT_THAT(text, HasSubstr("pcompose system prune removes it"));
  for (const char* name : {"state.db", "state.db-wal", "state.db-shm"})
    std::filesystem::rename(file(name), root() + "/" + name);
  expect(0, {"down", "-t", "0"});
  expect(0, {"system", "check"});
}

}  // namespace
}  // namespace pcompose::test
