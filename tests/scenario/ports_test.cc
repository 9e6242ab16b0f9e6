#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class PortsTest : public StackTest {
 protected:
  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  // What a server on this port of loopback says first; "" where none answers.
  static std::string ask(uint16_t port) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval limit{2, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address = loopback(port);
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "";
    char text[100];
    ssize_t n = ::recv(fd.get(), text, sizeof text, 0);
    return {text, n > 0 ? static_cast<size_t>(n) : 0};
  }

  Fd reader_;  // open until after the census
};

constexpr const char* kServer = R"(services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
    ports: ["127.0.0.1:18080:80"]
)";

TEST_F(PortsTest, APublishedPortAnswersAndGoes) {
  compose(kServer);
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] { return ask(18080) == "hello\n"; }));
  EXPECT_EQ(ps()["web"].at("Ports").as_string(), "127.0.0.1:18080->80/tcp");
  expect(0, {"down"});
  EXPECT_EQ(ask(18080), "");
}

TEST_F(PortsTest, AConflictIsFoundBeforeAnythingStarts) {
  Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(18080);
  int on = 1;  // connections of the test before may be in TIME_WAIT
  ::setsockopt(taken.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  compose(kServer);
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:7:13: port 127.0.0.1:18080/tcp is in use by"),
            std::string::npos)
      << up.err;
  // Whom another user may not look into is named by its owner.
  bool seen = ::getenv("PCOMPOSE_TEST_ROOTLESS") == nullptr;
  EXPECT_NE(up.err.find(seen ? std::to_string(::getpid()) : "a process of user"), std::string::npos)
      << up.err;
  EXPECT_TRUE(ps().empty());
}

TEST_F(PortsTest, AnEphemeralPortIsShown) {
  compose(
      "services:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e echo hello\n    "
      "stop_grace_period: 0s\n    ports: ['80']\n");
  expect(0, {"up", "-d"});
  auto rows = ps();
  auto port =
      rows["web"].at("Publishers").as_array().at(0).at("PublishedPort").to_number<uint16_t>();
  EXPECT_NE(port, 0);
  EXPECT_TRUE(eventually([&] { return ask(port) == "hello\n"; }));
}

TEST_F(PortsTest, AChangedPublicationTakesOverItsPort) {
  auto published = [&](const std::string& port, int target) {
    std::string number = std::to_string(target);
    compose(
        "services:\n  web:\n    image: busybox\n    stop_grace_period: 0s\n    command: nc -ll "
        "-p " +
        number + " -e echo hello " + number + "\n    ports: ['" + port + ":" + number + "']\n");
    expect(0, {"up", "-d"});
    EXPECT_TRUE(eventually([&] { return ask(18080) == "hello " + number + "\n"; })) << port;
  };
  published("127.0.0.1:18080", 80);
  published("127.0.0.1:18080", 81);        // another target
  published("18080", 81);                  // more addresses
  published("127.0.0.1:18080", 82);        // fewer
  published("127.0.0.1:18079-18080", 82);  // a range
}

TEST_F(PortsTest, TheDefaultAddressMayBeLoopback) {
  compose(
      "services:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e echo hello\n    "
      "stop_grace_period: 0s\n    ports: ['18080:80', '0.0.0.0:18082:80']\n");
  auto reachable = [&] {
    std::map<std::string, std::string> out;
    auto list = json::parse(expect(0, {"endpoints", "--format", "json"}).out).as_array();
    for (const auto& e : list)
      out[std::string(e.at("HostIP").as_string()) + ":" +
          std::to_string(e.at("HostPort").to_number<int>())] = e.at("Reachable").as_string();
    return out;
  };
  ::setenv("PCOMPOSE_BIND", "127.0.0.1", 1);
  Result up = pcompose({"up", "-d"});
  ::unsetenv("PCOMPOSE_BIND");
  EXPECT_EQ(up.code, 0) << up.err;
  EXPECT_NE(up.err.find("Reachable from outside: web on 18082/tcp ("), std::string::npos) << up.err;
  EXPECT_EQ(reachable(), (std::map<std::string, std::string>{{"127.0.0.1:18080", "host"},
                                                             {"0.0.0.0:18082", "network"}}));
  expect(0, {"up", "-d"});
  EXPECT_EQ(reachable()["0.0.0.0:18080"], "network");
}

TEST_F(PortsTest, ARefusedChangeLeavesThePortAsItWas) {
  auto published = [&](const std::string& more) {
    compose(
        "services:\n  web:\n    image: busybox\n    stop_grace_period: 0s\n    command: nc -ll -p "
        "80 "
        "-e echo hello\n    ports: [" +
        more + "]\n");
  };
  published("'18080:80'");
  expect(0, {"up", "-d"});
  Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(18081);
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  published("'127.0.0.1:18080:80', '127.0.0.1:18081:80'");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("18081/tcp is in use"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return ask(18080) == "hello\n"; }));
  taken.reset();
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] { return ask(18081) == "hello\n"; }));
}

TEST_F(PortsTest, ARecreatedContainerKeepsItsPort) {
  compose(kServer);
  expect(0, {"up", "-d"});
  expect(0, {"up", "-d", "--force-recreate"});
  EXPECT_TRUE(eventually([&] { return ask(18080) == "hello\n"; }));
}

TEST_F(PortsTest, ARecreatedContainerKeepsItsEphemeralPort) {
  compose(
      "services:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e echo hello\n    "
      "stop_grace_period: 0s\n    ports: ['80']\n");
  auto port = [&] {
    return ps()["web"].at("Publishers").as_array().at(0).at("PublishedPort").to_number<uint16_t>();
  };
  expect(0, {"up", "-d"});
  uint16_t before = port();
  expect(0, {"up", "-d", "--force-recreate"});
  EXPECT_EQ(port(), before);
  EXPECT_TRUE(eventually([&] { return ask(before) == "hello\n"; }));
}

// The kernel would keep the namespace of a connection with data on the way, and so the link.
TEST_F(PortsTest, AConnectionInMidTransferHoldsNothing) {
  compose(
      "services:\n  web:\n    image: busybox\n    command: nc -ll -p 80 -e yes\n    "
      "stop_grace_period: 0s\n    ports: ['127.0.0.1:18080:80']\n");
  expect(0, {"up", "-d"});
  sockaddr_in address = loopback(18080);
  char letter = 0;
  ASSERT_TRUE(eventually([&] {
    reader_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(reader_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
           ::recv(reader_.get(), &letter, 1, 0) == 1;
  }));
  ::usleep(300'000);  // until the windows are full
}

// Where nothing runs any more the supervisor goes, and the next one has another keeper.
TEST_F(PortsTest, TheNextSupervisorFindsThemFree) {
  compose("services:\n  job: {image: busybox, command: 'true', ports: ['18080:80', '18081:81']}\n");
  for (useconds_t i = 0; i < 60; ++i) {
    expect(0, {"up", "-d"});
    ::usleep(i % 10 * 10'000);
  }
}

TEST_F(PortsTest, ServicesFindEachOtherByName) {
  compose(R"(services:
  db: {image: busybox, command: nc -ll -p 5432 -e echo data, stop_grace_period: 0s, networks: {default: {aliases: [store]}}}
  web:
    image: busybox
    command: sh -c 'until nc db 5432 </dev/null; do sleep 0.05; done; nc store 5432 </dev/null; nslookup -type=a nosuch.invalid'
    depends_on: [db]
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("web") == "exited"; }));
  auto all = lines("web");
  EXPECT_EQ(std::count(all.begin(), all.end(), "data"), 2);
}

}  // namespace
}  // namespace pcompose::test
