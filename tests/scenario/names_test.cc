// What a container finds in its resolv.conf and hosts, and what its name server says.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kSleep =
    "    image: busybox\n    command: sleep 1000\n    stop_grace_period: 0s\n";

class NamesTest : public StackTest {
 protected:
  std::string in(const std::string& service, const std::string& command) {
    Result r = pcompose({"exec", "-T", service, "sh", "-c", command});
    return r.out + r.err;
  }
  std::string ask(const std::string& service, const std::string& type, const std::string& name) {
    return in(service, "nslookup -type=" + type + " " + name + " 127.0.0.11");
  }
  // A listener of the host's; its port.
  static Fd listen_on(const char* address, uint16_t& port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in here{};
    here.sin_family = AF_INET;
    inet_pton(AF_INET, address, &here.sin_addr);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
    EXPECT_EQ(::listen(fd.get(), 8), 0);
    socklen_t size = sizeof here;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&here), &size), 0);
    port = ntohs(here.sin_port);
    return fd;
  }
};

TEST_F(NamesTest, OfEveryKind) {
  compose(std::string("services:\n  db:\n") + kSleep +
          "    scale: 3\n    networks: {default: {aliases: [store]}}\n  App:\n" + kSleep +
          "    links: ['db:database']\n    container_name: front\n");
  expect(0, {"up", "-d"});
  std::string all = ask("App", "a", "db");
  size_t addresses = 0;
  for (size_t at = 0; (at = all.find("Address: 1", at)) != std::string::npos; ++at) ++addresses;
  EXPECT_EQ(addresses, 3U) << all;
  std::string one(ps()["db"].at("Name").as_string());
  for (const std::string& name : {one, std::string("store"), std::string("database"),
                                  std::string("front"), std::string("app"), std::string("APP")})
    EXPECT_THAT(ask("App", "a", name), HasSubstr("Address: 1")) << name;
  std::string id(ps()["App"].at("ID").as_string());
  EXPECT_THAT(ask("db", "a", id.substr(0, 12)), HasSubstr("Address: 1"));
  EXPECT_THAT(ask("db", "a", "database"), Not(HasSubstr("Address: 1"))) << "a link is one's own";
}

TEST_F(NamesTest, EmptyAnswersAreNoErrors) {
  compose(std::string("services:\n  db:\n") + kSleep + "  app:\n" + kSleep);
  expect(0, {"up", "-d"});
  for (const char* type : {"aaaa", "mx", "txt"}) {
    std::string answer = ask("app", type, "db");
    EXPECT_THAT(answer, Not(HasSubstr("NXDOMAIN"))) << type;
    EXPECT_THAT(answer, Not(HasSubstr("SERVFAIL"))) << type;
  }
  // A service that does not run is no stranger either: nobody upstream is asked for it.
  expect(0, {"stop", "db"});
  EXPECT_THAT(ask("app", "a", "db"), Not(HasSubstr("NXDOMAIN")));
  EXPECT_THAT(ask("app", "a", "db"), Not(HasSubstr("Address: 1")));
}

TEST_F(NamesTest, AddressesHaveNames) {
  compose(std::string("services:\n  db:\n") + kSleep +
          "    networks: {default: {ipv4_address: 10.56.0.77, ipv6_address: 'fd00:56::77'}}\n"
          "  app:\n" +
          kSleep +
          "networks:\n  default:\n    enable_ipv6: true\n"
          "    ipam: {config: [{subnet: 10.56.0.0/24}, {subnet: 'fd00:56::/64'}]}\n");
  expect(0, {"up", "-d"});
  std::string name(ps()["db"].at("Name").as_string());
  EXPECT_THAT(in("app", "nslookup 10.56.0.77 127.0.0.11"), HasSubstr("name = " + name));
  EXPECT_THAT(in("app", "nslookup fd00:56::77 127.0.0.11"), HasSubstr("name = " + name));
  EXPECT_THAT(ask("app", "aaaa", "db"), HasSubstr("fd00:56::77"));
}

TEST_F(NamesTest, TheFilesOfTheContainer) {
  compose(std::string("services:\n  app:\n") + kSleep +
          "    dns_search: [a.example, b.example]\n    dns_opt: ['timeout:1', 'ndots:2']\n"
          "    extra_hosts: ['there=192.0.2.9', 'gate=host-gateway', 'six=[2001:db8::9]']\n"
          "  plain:\n" +
          kSleep + "  none:\n" + kSleep + "    network_mode: none\n    dns: [192.0.2.53]\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("app", "cat /etc/resolv.conf"),
            "nameserver 127.0.0.11\nsearch a.example b.example\noptions timeout:1 ndots:2\n");
  EXPECT_THAT(in("plain", "cat /etc/resolv.conf"), HasSubstr("options ndots:0\n"));
  EXPECT_THAT(in("none", "cat /etc/resolv.conf"), HasSubstr("nameserver 192.0.2.53\n"));
  std::string hosts = in("app", "cat /etc/hosts");
  EXPECT_THAT(hosts, HasSubstr("192.0.2.9\tthere\n"));
  EXPECT_THAT(hosts, HasSubstr("2001:db8::9\tsix\n"));
  std::string gateway = in("app", "ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'");
  gateway.resize(gateway.find('\n'));
  EXPECT_THAT(hosts, HasSubstr(gateway + "\tgate\n"));
}

TEST_F(NamesTest, TheHostIsReachedAndItsLoopbackIsNot) {
  if (::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr)
    GTEST_SKIP() << "the way out of an ordinary user's networks needs a host with a network";
  uint16_t open = 0, hidden = 0;
  Fd everywhere = listen_on("0.0.0.0", open), inside = listen_on("127.0.0.1", hidden);
  compose(std::string("services:\n  app:\n") + kSleep);
  expect(0, {"up", "-d"});
  auto code = [&](const std::string& host, uint16_t port) {
    return in("app", "nc -w 1 " + host + " " + std::to_string(port) +
                         " </dev/null >/dev/null 2>&1 & p=$!; sleep 0.3; "
                         "kill $p 2>/dev/null && echo open || { wait $p; echo $?; }");
  };
  EXPECT_EQ(code("host.docker.internal", open), "open\n");
  EXPECT_EQ(code("host.docker.internal", hidden), "1\n");
  // Nor by the back door: the loopback's address over the bridge.
  in("app",
     "ip route add 127.0.0.1/32 via $(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')");
  EXPECT_EQ(code("127.0.0.1", hidden), "1\n");
}

}  // namespace
}  // namespace pcompose::test
