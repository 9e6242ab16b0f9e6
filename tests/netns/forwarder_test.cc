// pcompose-forwarder: what nftables cannot serve.
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>

#include "netns/forwarder_client.h"
#include "netns/socket_address.h"
#include "tests/eventually.h"
#include "tests/netns/networks_fixture.h"

namespace pcompose::netns {
namespace {

class ForwarderTest : public NetworksTest {
 protected:
  void TearDown() override {
    client_.quit();
    NetworksTest::TearDown();
  }
  // Publishes and hands what has to be spliced to the forwarder.
  void publish(const PublishSpec& spec) {
    auto reserved = loop_.wait(networks_.reserve({spec}));
    for (const PortRow& row : loop_.wait(networks_.publish({spec}))) {
      for (ReservedPort& r : reserved) {
        if (r.host == row.host) client_.add(key_of(row), row, r.socket);
      }
    }
    for (ReservedPort& r : reserved) held_.push_back(std::move(r));
  }
  static std::string key_of(const PortRow& row) {
    return row.host.str() + " " + port_text(row.host, row.port, row.protocol);
  }
  static Fd connect_to(const std::string& address, uint16_t port) {
    SocketAddress to(Ip::parse(address).value(), port);
    Fd fd(::socket(to.get()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval limit{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return ::connect(fd.get(), to.get(), to.size()) == 0 ? std::move(fd) : Fd();
  }

  Fd control_;
  ForwarderClient client_{[this](int fd) { control_ = Fd(::dup(fd)); }, FORWARDER};
  std::vector<ReservedPort> held_;
};

TEST_F(ForwarderTest, LoopbackOfBothFamiliesReachesAnIpv4Container) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  EchoServer server(a.namespace_fd.get(), 80, "a");
  publish(published("a", "", 8080));
  publish(published("a", "", 8080, Protocol::udp));
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "a 10.112.0.1") << "by the map";
  EXPECT_EQ(tcp_ask(-1, "::1", 8080), "a 10.112.0.1") << "by the forwarder";
  EXPECT_EQ(udp_ask(-1, "::1", 8080, "x"), "a 10.112.0.1");
  EXPECT_EQ(udp_ask(-1, "::1", 8080, "x"), "a 10.112.0.1") << "another client";
}

TEST_F(ForwarderTest, OutsideReachesAnIpv4ContainerByIpv6) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  Kernel kernel;
  Lan lan(kernel, "lan0", "fd77::1", "fd77::2");
  EchoServer server(a.namespace_fd.get(), 80, "a");
  publish(published("a", "", 8080));
  publish(published("a", "", 8080, Protocol::udp));
  EXPECT_EQ(tcp_ask(lan.fd(), "fd77::1", 8080), "a 10.112.0.1");
  EXPECT_EQ(udp_ask(lan.fd(), "fd77::1", 8080, "x"), "a 10.112.0.1");
}

TEST_F(ForwarderTest, AnIpv6ContainerIsReachedByIpv4) {
  NetworkSpec spec = network("n1");
  spec.ipv6 = true;
  spec.ipv4 = false;
  spec.pools = {{"fd00:1::/64"}};
  ensure(spec);
  ReplicaNet a = make(replica("a", {"n1"}));
  EchoServer server(a.namespace_fd.get(), 80, "a");
  publish(published("a", "", 8080));
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080), "a fd00:1::1");
  EXPECT_EQ(tcp_ask(-1, "::1", 8080), "a fd00:1::1");
}

TEST_F(ForwarderTest, ExplicitLoopbackOfIpv6) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  EchoServer server(a.namespace_fd.get(), 80, "a");
  publish(published("a", "::1", 8080));
  EXPECT_EQ(tcp_ask(-1, "::1", 8080), "a 10.112.0.1");
  EXPECT_EQ(tcp_ask(-1, "127.0.0.1", 8080, kSilence), "");
}

// Sends back what it gets until the client has no more.
void serve_mirror(int namespace_fd, uint16_t port, Fd& listener, std::jthread& thread) {
  in_namespace(namespace_fd, [&] {
    SocketAddress here(Ip(Ipv4{}), port);
    listener = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(listener.get(), here.get(), here.size()), 0);
    ASSERT_EQ(::listen(listener.get(), 4), 0);
  });
  thread = std::jthread([&listener] {
    Fd client(::accept(listener.get(), nullptr, nullptr));
    std::string all;
    char buffer[65536];
    for (ssize_t n; (n = ::recv(client.get(), buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    if (client) write_all(client.get(), all);
  });
}

TEST_F(ForwarderTest, HalfClosedConnectionsCarryAllBytesBack) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  Fd listener;
  std::jthread mirror;
  serve_mirror(a.namespace_fd.get(), 80, listener, mirror);
  publish(published("a", "::1", 8080));
  Fd fd = connect_to("::1", 8080);
  ASSERT_TRUE(fd);
  std::string sent(8 << 20, 'x');
  for (size_t i = 0; i < sent.size(); i += 4099) sent[i] = static_cast<char>('a' + i % 26);
  write_all(fd.get(), sent);
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_TRUE(read_all(fd.get()) == sent);
  mirror.join();
  end_connections_in(a.namespace_fd.get());
}

TEST_F(ForwarderTest, ConnectionsOutliveWhoMadeThePort) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  Fd listener;
  std::jthread mirror;
  serve_mirror(a.namespace_fd.get(), 80, listener, mirror);
  publish(published("a", "::1", 8080));
  Fd fd = connect_to("::1", 8080);
  ASSERT_TRUE(fd);
  // Another supervisor with what the keeper held.
  ForwarderClient next([](int) { FAIL() << "another forwarder was started"; });
  next.restore(std::move(control_));
  client_ = ForwarderClient([](int) {});
  PortRow row = loop_.wait(networks_.ports()).at(0);
  next.add(key_of(row), row, held_.at(0).socket);
  write_all(fd.get(), "still there");
  ::shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(read_all(fd.get()), "still there");
  mirror.join();
  end_connections_in(a.namespace_fd.get());
  next.remove(key_of(row));
  EXPECT_TRUE(test::eventually([&] { return !connect_to("::1", 8080); }));
  next.add(key_of(row), row, held_.at(0).socket);
  EXPECT_TRUE(connect_to("::1", 8080)) << "published once more";
  next.quit();
}

TEST_F(ForwarderTest, ARefusedTargetResetsTheClient) {
  ensure(network("n1"));
  ReplicaNet a = make(replica("a", {"n1"}));
  publish(published("a", "::1", 8080));
  Fd fd = connect_to("::1", 8080);
  ASSERT_TRUE(fd);
  char byte = 0;
  EXPECT_EQ(::recv(fd.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

}  // namespace
}  // namespace pcompose::netns
