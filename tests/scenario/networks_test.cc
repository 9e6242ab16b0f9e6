// Networks, names and ports of compose files, by the built programs.
#include <arpa/inet.h>
#include <csignal>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using testing::Contains;
using testing::HasSubstr;

class NetworksTest : public StackTest {
 protected:
  // What a server on this port of ::1 says first; "" where none answers.
  static std::string ask6(uint16_t port) {
    Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval limit{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    to.sin6_addr = in6addr_loopback;
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return "";
    char text[100];
    ssize_t n = ::recv(fd.get(), text, sizeof text, 0);
    return {text, n > 0 ? static_cast<size_t>(n) : 0};
  }
  // A command in a container; its output.
  std::string in(const std::string& service, const std::string& command) {
    Result r = pcompose({"exec", "-T", service, "sh", "-c", command});
    return r.out + r.err;
  }
  json::array json_of(std::vector<std::string> args) {
    return json::parse(expect(0, std::move(args)).out).as_array();
  }
};

constexpr const char* kSleep =
    "command: sleep 1000\n    stop_grace_period: 0s\n    image: busybox\n";

TEST_F(NetworksTest, Ipv6AddressesAndNames) {
  compose(R"(services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
    networks: {default: {ipv6_address: "fd00:5::50"}}
  app:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
networks:
  default:
    enable_ipv6: true
    ipam: {config: [{subnet: "fd00:5::/64"}, {subnet: 10.55.0.0/24, gateway: 10.55.0.9}]}
)");
  expect(0, {"up", "-d"});
  EXPECT_THAT(in("app", "ip addr show eth0"), HasSubstr("inet6 fd00:5::"));
  EXPECT_THAT(in("app", "nslookup -type=aaaa web 127.0.0.11"), HasSubstr("fd00:5::50"));
  EXPECT_TRUE(
      eventually([&] { return in("app", "nc -w 1 fd00:5::50 80 </dev/null") == "hello\n"; }));
  EXPECT_THAT(in("app", "ip -6 route"), HasSubstr("default via fd00:5::1"));
  EXPECT_THAT(in("app", "ip route"), HasSubstr("default via 10.55.0.9"));
}

TEST_F(NetworksTest, LoopbackOfBothFamiliesReachesAPort) {
  compose(R"(services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
    ports: ["18090:80"]
)");
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] { return ask6(18090) == "hello\n"; }));
  pid_t before = supervisor();
  ASSERT_GT(before, 0);
  ::kill(before, SIGKILL);
  EXPECT_TRUE(eventually([&] { return supervisor() > 0 && supervisor() != before; }));
  EXPECT_TRUE(eventually([&] { return ask6(18090) == "hello\n"; }));
  Result up = expect(0, {"up", "-d"});
  EXPECT_THAT(up.err, HasSubstr("Reachable from outside: web on 18090/tcp"));
  auto list = json_of({"endpoints", "--format", "json"});
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].at("Address").as_string(), "127.0.0.1:18090");
  EXPECT_EQ(list[1].at("Address").as_string(), "[::1]:18090");
  EXPECT_EQ(expect(0, {"port", "web", "80"}).out, "0.0.0.0:18090\n");
  expect(0, {"stop"});
  EXPECT_EQ(ask6(18090), "");
}

TEST_F(NetworksTest, AutoPortsTakeTheNextFreeOne) {
  Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(18091);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  compose(std::string("services:\n  web:\n    ") + kSleep + "    ports: ['127.0.0.1:18091:80']\n");
  Result refused = expect(1, {"up", "-d"});
  EXPECT_THAT(refused.err, HasSubstr("port 18092 is free; --auto-ports takes one that is"));
  Result up = expect(0, {"up", "-d", "--auto-ports"});
  EXPECT_THAT(up.err, HasSubstr("port 18091 is in use"));
  EXPECT_EQ(expect(0, {"port", "web", "80"}).out, "127.0.0.1:18092\n");
}

TEST_F(NetworksTest, RangesAndUdp) {
  compose(std::string("services:\n  web:\n    ") + kSleep +
          "    ports: ['127.0.0.1:18100-18102:80-82/udp', '127.0.0.1:18110-18111:90']\n"
          "  two:\n    " +
          kSleep + "    ports: ['127.0.0.1:18110-18111:90']\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"port", "--protocol", "udp", "web", "81"}).out, "127.0.0.1:18101\n");
  std::string one = expect(0, {"port", "web", "90"}).out,
              two = expect(0, {"port", "two", "90"}).out;
  EXPECT_NE(one, two);
}

TEST_F(NetworksTest, TheNetworkOfAnotherServiceOutlivesItsRestart) {
  compose(R"(services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
  side:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    network_mode: service:web
)");
  expect(0, {"up", "-d"});
  EXPECT_TRUE(
      eventually([&] { return in("side", "nc -w 1 127.0.0.1 80 </dev/null") == "hello\n"; }));
  std::string address = in("side", "ip addr show eth0 | grep 'inet '");
  EXPECT_EQ(in("side", "cat /etc/hostname"), in("web", "cat /etc/hostname"));
  expect(0, {"restart", "--no-deps", "web"});
  EXPECT_EQ(in("web", "ip addr show eth0 | grep 'inet '"), address);
  EXPECT_TRUE(
      eventually([&] { return in("side", "nc -w 1 127.0.0.1 80 </dev/null") == "hello\n"; }));
  expect(0, {"up", "-d", "--force-recreate", "web"});
  EXPECT_TRUE(
      eventually([&] { return in("side", "nc -w 1 127.0.0.1 80 </dev/null") == "hello\n"; }));
}

TEST_F(NetworksTest, ThePodMeetsOnLocalhostAndByName) {
  compose(R"(x-pcompose: {pod: true}
services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
    ports: ["127.0.0.1:18120:80"]
  app:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
)");
  expect(0, {"up", "-d"});
  for (const char* host : {"127.0.0.1", "web", "app"}) {
    EXPECT_TRUE(eventually([&] {
      return in("app", std::string("nc -w 1 ") + host + " 80 </dev/null") == "hello\n";
    })) << host;
  }
  EXPECT_EQ(in("app", "hostname"), in("web", "hostname"));
  EXPECT_EQ(in("app", "readlink /proc/self/ns/ipc"), in("web", "readlink /proc/self/ns/ipc"));
  EXPECT_EQ(in("app", "readlink /proc/self/ns/net"), in("web", "readlink /proc/self/ns/net"));
  EXPECT_NE(in("app", "readlink /proc/self/ns/pid"), in("web", "readlink /proc/self/ns/pid"));
  ::kill(supervisor(), SIGKILL);
  expect(0, {"restart", "web"});
  EXPECT_TRUE(eventually([&] { return in("app", "nc -w 1 web 80 </dev/null") == "hello\n"; }));
}

TEST_F(NetworksTest, WhatCannotBeInAPodIsSaidWithItsPlace) {
  compose(R"(services:
  web: {image: busybox, ports: ["8080:80"]}
  app: {image: busybox, expose: ["80"], hostname: x}
  many: {image: busybox, expose: ["81"], scale: 2}
  far: {image: busybox, networks: [other]}
networks: {other: {}}
)");
  std::string text = expect(1, {"up", "-d", "--pod"}).err;
  EXPECT_THAT(text, HasSubstr("compose.yaml:3:33: services.web.ports[0]: port 80/tcp is service "
                              "app's already, at"));
  EXPECT_THAT(text, HasSubstr("services.app.hostname: a pod has one host name"));
  EXPECT_THAT(text, HasSubstr("services.many.scale: 2 containers in one pod"));
  EXPECT_THAT(text, HasSubstr("services.far.networks.other: a pod is on one network"));
}

TEST_F(NetworksTest, NetworkCommands) {
  expect(0, {"network", "create", "--subnet", "10.77.0.0/24", "--label", "a=b", "hand"});
  compose(std::string("services:\n  web:\n    ") + kSleep +
          "    networks: [hand, default]\n  lone:\n    " + kSleep +
          "networks: {hand: {external: true}}\n");
  expect(0, {"up", "-d"});
  EXPECT_THAT(expect(0, {"network", "ls"}).out, HasSubstr("hand"));
  auto row = json::parse(expect(0, {"network", "ls", "--format", "json", "-f", "name=hand"}).out);
  EXPECT_EQ(row.at("Driver").as_string(), "bridge");
  auto details = json_of({"network", "inspect", "hand"})[0].as_object();
  EXPECT_EQ(details.at("IPAM").at("Config").at(0).at("Subnet").as_string(), "10.77.0.0/24");
  EXPECT_EQ(details.at("Containers").as_object().size(), 1U);
  EXPECT_THAT(expect(1, {"network", "rm", "hand"}).err, HasSubstr("is in use by"));
  std::string lone(ps()["lone"].at("Name").as_string());
  EXPECT_THAT(in("lone", "nslookup -type=a extra 127.0.0.11"), HasSubstr("can't find extra"));
  expect(0, {"network", "connect", "--alias", "extra", "hand", lone});
  EXPECT_THAT(in("web", "nslookup -type=a extra 127.0.0.11"), HasSubstr("10.77.0."));
  EXPECT_THAT(in("lone", "ip addr show eth1"), HasSubstr("10.77.0."));
  expect(0, {"network", "disconnect", "hand", lone});
  EXPECT_THAT(in("lone", "ip addr"), testing::Not(HasSubstr("eth1")));
  expect(0, {"down"});
  EXPECT_EQ(expect(0, {"network", "rm", "hand"}).out, "hand\n");
  EXPECT_THAT(expect(1, {"network", "inspect", "hand"}).err, HasSubstr("network hand not found"));
  expect(0, {"network", "create", "stray"});
  EXPECT_THAT(expect(0, {"network", "prune", "-f"}).out, HasSubstr("stray"));
}

TEST_F(NetworksTest, ANetworkWithOtherLabelsIsMadeAnew) {
  auto with = [&](const std::string& label) {
    compose(std::string("services:\n  web:\n    ") + kSleep +
            "    networks: [n]\nnetworks:\n  n: {name: labelled, labels: {of: " + label + "}}\n");
    return expect(0, {"up", "-d"}).err;
  };
  with("one");
  std::string id(ps()["web"].at("ID").as_string());
  EXPECT_THAT(with("two"), HasSubstr("Stopped"));
  EXPECT_THAT(expect(0, {"network", "inspect", "labelled"}).out, HasSubstr("\"two\""));
  EXPECT_EQ(ps()["web"].at("ID").as_string(), id);
  EXPECT_EQ(with("two"), "");
}

TEST_F(NetworksTest, AnExternalNetworkThatIsNotThere) {
  compose(std::string("services:\n  web:\n    ") + kSleep +
          "    networks: [gone]\nnetworks:\n  gone: {external: true}\n");
  EXPECT_THAT(expect(1, {"up", "-d"}).err,
              HasSubstr("network gone declared as external, but could not be found (make it with "
                        "`pcompose network create"));
}

TEST_F(NetworksTest, TheHostHasAName) {
  compose(std::string("services:\n  web:\n    ") + kSleep);
  expect(0, {"up", "-d"});
  std::string gateway = in("web", "ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'");
  gateway.resize(gateway.find('\n'));
  EXPECT_THAT(in("web", "nslookup -type=a host.docker.internal 127.0.0.11"), HasSubstr(gateway));
}

TEST_F(NetworksTest, TwoProjectsMeetOnAnExternalNetwork) {
  expect(0, {"network", "create", "meet"});
  std::string members = "    networks: [meet]\nnetworks: {meet: {external: true}}\n";
  compose(std::string("services:\n  app:\n    ") + kSleep + members);
  write("other/compose.yaml",
        "name: other\nservices:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e echo "
        "hello\n    stop_grace_period: 0s\n" +
            members);
  expect(0, {"up", "-d"});
  auto reaches = [&] { return in("app", "nc -w 1 web 80 </dev/null") == "hello\n"; };
  EXPECT_FALSE(reaches());
  expect(0, {"-f", "other/compose.yaml", "up", "-d"});
  EXPECT_TRUE(eventually(reaches));
  expect(0, {"-f", "other/compose.yaml", "up", "-d", "--force-recreate"});
  EXPECT_TRUE(eventually(reaches));
  expect(0, {"-f", "other/compose.yaml", "down"});
  EXPECT_TRUE(eventually([&] {
    return in("app", "nslookup -type=a web 127.0.0.11").find("find web") != std::string::npos;
  }));
  expect(0, {"down"});
  expect(0, {"network", "rm", "meet"});
}

TEST_F(NetworksTest, NetworkModeJoinsByName) {
  compose(std::string("services:\n  app:\n    ") + kSleep + "    network_mode: bridge\n");
  write("other/compose.yaml",
        "name: other\nservices:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e echo "
        "hello\n    stop_grace_period: 0s\n    network_mode: bridge\n");
  write("third/compose.yaml",
        std::string("name: third\nservices:\n  lone:\n    ") + kSleep + "    network_mode: hand\n");
  expect(0, {"up", "-d"});
  expect(0, {"-f", "other/compose.yaml", "up", "-d"});
  EXPECT_TRUE(eventually([&] { return in("app", "nc -w 1 web 80 </dev/null") == "hello\n"; }));
  expect(0, {"up", "-d"});
  // What was made from an earlier file keeps its network.
  compose(std::string("services:\n  app:\n    ") + kSleep);
  expect(0, {"restart"});
  EXPECT_TRUE(eventually([&] { return in("app", "nc -w 1 web 80 </dev/null") == "hello\n"; }));
  expect(0, {"down"});
  EXPECT_THAT(expect(0, {"network", "ls"}).out, HasSubstr("bridge"));
  expect(0, {"-f", "other/compose.yaml", "down"});
  EXPECT_THAT(expect(1, {"-f", "third/compose.yaml", "up", "-d"}).err,
              HasSubstr("network hand declared as external, but could not be found"));
  expect(0, {"network", "create", "hand"});
  expect(0, {"-f", "third/compose.yaml", "up", "-d"});
  EXPECT_THAT(expect(1, {"network", "rm", "hand"}).err, HasSubstr("is in use by"));
  expect(0, {"-f", "third/compose.yaml", "down"});
  expect(0, {"network", "rm", "hand"});
}

TEST_F(NetworksTest, AChangedNetworkIsMadeAnewUnderItsContainers) {
  auto file = [](const char* subnet) {
    return std::string(
               "services:\n  a:\n    image: busybox\n    command: sleep 60\n    networks: [n]\n"
               "  b:\n    image: busybox\n    command: sleep 60\n"
               "networks:\n  n: {ipam: {config: [{subnet: ") +
           subnet + "}]}}\n  default: {}\n";
  };
  compose(file("10.213.1.0/24"));
  expect(0, {"up", "-d"});
  compose(file("10.213.2.0/24"));
  Result plan = expect(0, {"--dry-run", "up"});
  EXPECT_NE(plan.out.find("changed: the subnet 10.213.2.0/24"), std::string::npos) << plan.out;
  expect(0, {"up", "-d", "-t", "0"});
  EXPECT_NE(expect(0, {"exec", "-T", "a", "ip", "address"}).out.find("10.213.2.2/24"),
            std::string::npos);
  EXPECT_EQ(expect(0, {"--dry-run", "up"}).out, "");
}

}  // namespace
}  // namespace pcompose::test
