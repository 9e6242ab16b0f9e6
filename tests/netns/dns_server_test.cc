// The server behind 127.0.0.11:53 of a real namespace, asked by hand and by the C library's
// resolver.
#include "netns/dns_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <random>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/process.h"
#include "netns/dns_message.h"
#include "netns/dns_wire.h"
#include "netns/kernel.h"
#include "tests/eventually.h"
#include "tests/netns/fake_host.h"
#include "tests/netns/loop_thread.h"

namespace pcompose::netns {
namespace {

class FakeNames : public Names {
 public:
  std::map<std::string, std::vector<Ipv4>> known, last;
  std::map<std::string, std::vector<Ipv6>> known6;
  bool outside = true;

  std::optional<Found> find(const std::string&, const std::string& name) override {
    auto found = known.find(name);
    if (found == known.end()) return {};
    return Found{found->second, last[name], known6[name], {}};
  }
  std::optional<std::string> reverse(const std::string& scope, const Ip& address) override {
    for (const auto& [name, addresses] : known) {
      if (address.v4() == nullptr) break;
      if (std::ranges::find(addresses, *address.v4()) != addresses.end()) return name + "." + scope;
    }
    return {};
  }
  bool may_leave(const std::string&) override { return outside; }
};

std::vector<Ipv4> many(uint32_t n) {
  std::vector<Ipv4> out;
  for (uint32_t i = 0; i < n; ++i) out.push_back(Ipv4{0x0a700002 + i});
  return out;
}

Bytes question(const std::string& name, DnsType type) {
  DnsWriter out;
  DnsHeader header{7, kFlagRecursionDesired, 1, 0, 0, 0};
  out.header(header);
  out.name(name);
  out.u16(static_cast<uint16_t>(type));
  out.u16(kClassInternet);
  return out.bytes;
}

sockaddr_in server_address(const char* address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, address, &out.sin_addr);
  return out;
}

Fd client(int type) {
  Fd fd(::socket(AF_INET, type, 0));
  timeval limit{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in to = server_address("127.0.0.11", 53);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  return fd;
}

Bytes read_some(const Fd& fd) {
  std::array<uint8_t, 65536> buffer;
  ssize_t n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
  return n > 0 ? Bytes(buffer.begin(), buffer.begin() + n) : Bytes();
}

class DnsServerTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ready_ = enter_fake_host(); }
  void SetUp() override {
    if (!ready_) GTEST_SKIP() << "needs root";
    space_ = kernel_.make_namespace(Dns::serve);
    loop_.call([&] {
      DnsSettings settings;
      settings.upstreams = {{asio::ip::make_address("127.0.0.1"), 5300}};
      settings.timeout = std::chrono::milliseconds(300);
      server_ = std::make_unique<DnsServer>(loop_.executor(), names_, settings);
      server_->serve("shop", space_.dns.udp.duplicate(), space_.dns.tcp.duplicate());
    });
  }
  void TearDown() override {
    if (!ready_) return;
    loop_.wait(server_->stop_all());
    if (upstream_) loop_.wait(upstream_->stop_all());
    EXPECT_EQ(server_->scopes(), 0U);
  }
  // Instead of the fixture's.
  void serve_with(DnsSettings settings) {
    loop_.wait(server_->stop_all());
    loop_.call([&] {
      server_ = std::make_unique<DnsServer>(loop_.executor(), names_, std::move(settings));
      server_->serve("shop", space_.dns.udp.duplicate(), space_.dns.tcp.duplicate());
    });
  }
  // A server of the host on 127.0.0.1: another one of ours.
  void start_upstream(uint16_t port = 5300) {
    Fd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    ::setsockopt(tcp.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in here = server_address("127.0.0.1", port);
    for (int fd : {udp.get(), tcp.get()}) {
      ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
    }
    ::listen(tcp.get(), 8);
    upstream_names_.outside = false;
    loop_.call([&] {
      upstream_ = std::make_unique<DnsServer>(loop_.executor(), upstream_names_);
      upstream_->serve("internet", std::move(udp), std::move(tcp));
    });
  }
  // On the loop, which reads it.
  void know(FakeNames& names, std::map<std::string, std::vector<Ipv4>> known) {
    loop_.call([&] { names.known = std::move(known); });
  }
  Bytes ask_udp(const std::string& name, DnsType type = DnsType::a) {
    Bytes out;
    in_namespace(space_.fd.get(), [&] {
      Fd fd = client(SOCK_DGRAM);
      Bytes message = question(name, type);
      ::send(fd.get(), message.data(), message.size(), 0);
      out = read_some(fd);
    });
    return out;
  }
  static DnsHeader header_of(const Bytes& message) {
    DnsHeader header;
    EXPECT_TRUE(DnsReader(message).header(header)) << "no answer";
    return header;
  }
  static int code_of(const Bytes& message) { return header_of(message).flags & 0xf; }

  static bool ready_;
  Kernel kernel_;
  FakeNames names_;
  FakeNames upstream_names_;
  TestLoop loop_;
  Namespace space_;
  std::unique_ptr<DnsServer> server_;
  std::unique_ptr<DnsServer> upstream_;
};
bool DnsServerTest::ready_ = false;

TEST_F(DnsServerTest, AnswersKnownNames) {
  know(names_, {{"web", many(2)}, {"idle", {}}});
  EXPECT_EQ(header_of(ask_udp("WEB")).answers, 2);
  EXPECT_EQ(header_of(ask_udp("web", DnsType::aaaa)).answers, 0);
  EXPECT_EQ(code_of(ask_udp("web", DnsType::aaaa)), 0);
  EXPECT_EQ(code_of(ask_udp("idle")), 0);
  EXPECT_EQ(header_of(ask_udp("2.0.112.10.in-addr.arpa", DnsType::ptr)).answers, 1);
  Bytes first = ask_udp("web");
  bool shuffled = false;
  for (int i = 0; i < 100 && !shuffled; ++i) shuffled = ask_udp("web") != first;
  EXPECT_TRUE(shuffled);
}

TEST_F(DnsServerTest, ForwardsUnknownNames) {
  EXPECT_EQ(code_of(ask_udp("example.com")), 2) << "no upstream: SERVFAIL";
  start_upstream();
  know(upstream_names_, {{"example.com", many(1)}});
  EXPECT_EQ(header_of(ask_udp("example.com")).answers, 1);
  EXPECT_EQ(code_of(ask_udp("missing.example.com")), 3);
  loop_.call([&] { names_.outside = false; });
  EXPECT_EQ(code_of(ask_udp("example.com")), 3) << "internal networks are not left";
}

TEST_F(DnsServerTest, Ipv6AddressesAndTheirNames) {
  know(names_, {{"web", many(1)}});
  loop_.call([&] { names_.known6["web"] = {*Ipv6::parse("fd00::1"), *Ipv6::parse("fd00::2")}; });
  Bytes answer = ask_udp("web", DnsType::aaaa);
  EXPECT_EQ(header_of(answer).answers, 2);
  EXPECT_EQ(header_of(ask_udp("web")).answers, 1);
  auto address = Ipv6::parse("fd00::1").value().bytes;
  EXPECT_NE(std::search(answer.begin(), answer.end(), address.begin(), address.end()),
            answer.end());
}

TEST_F(DnsServerTest, WhatIsUnhealthyComesLast) {
  know(names_, {{"web", {Ipv4{1}, Ipv4{2}}}});
  loop_.call([&] { names_.last["web"] = {Ipv4{3}}; });
  for (int i = 0; i < 20; ++i) {
    Bytes answer = ask_udp("web");
    ASSERT_EQ(header_of(answer).answers, 3);
    EXPECT_EQ(answer.back(), 3) << "the last byte of the last address";
  }
}

TEST_F(DnsServerTest, OtherTypesOfAKnownNameAreEmptyNotMissing) {
  know(names_, {{"web", many(1)}});
  for (unsigned type : {15U, 16U, 33U, 65U}) {  // MX, TXT, SRV, HTTPS
    Bytes answer = ask_udp("web", static_cast<DnsType>(type));
    EXPECT_EQ(code_of(answer), 0) << type;
    EXPECT_EQ(header_of(answer).answers, 0) << type;
  }
}

TEST_F(DnsServerTest, ASilentUpstreamIsNotWaitedFor) {
  Fd silent(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in here = server_address("127.0.0.1", 5301);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<sockaddr*>(&here), sizeof here), 0);
  start_upstream();
  know(upstream_names_, {{"example.com", many(1)}});
  DnsSettings settings;
  settings.upstreams = {{asio::ip::make_address("127.0.0.1"), 5301},
                        {asio::ip::make_address("127.0.0.1"), 5300}};
  settings.timeout = std::chrono::milliseconds(9000);
  settings.patience = std::chrono::milliseconds(50);
  serve_with(settings);
  auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(header_of(ask_udp("example.com")).answers, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(6000));
}

TEST_F(DnsServerTest, AServerThatRefusesIsNotTheLastWord) {
  start_upstream();
  know(upstream_names_, {{"example.com", many(1)}});
  DnsSettings settings;
  settings.upstreams = {{asio::ip::make_address("127.0.0.1"), 5302},  // nobody is there
                        {asio::ip::make_address("127.0.0.1"), 5300}};
  settings.patience = std::chrono::milliseconds(9000);
  serve_with(settings);
  auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(header_of(ask_udp("example.com")).answers, 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(6000));
}

TEST_F(DnsServerTest, ChangesOfResolvConfAreFollowed) {
  start_upstream(53);
  know(upstream_names_, {{"example.com", many(1)}});
  DnsSettings settings;
  settings.resolv_conf = "/run/upstream.conf";
  settings.timeout = std::chrono::milliseconds(100);
  replace_file(settings.resolv_conf, "nameserver 127.0.0.9\n");
  serve_with(settings);
  EXPECT_EQ(code_of(ask_udp("example.com")), 2);
  replace_file(settings.resolv_conf, "nameserver 127.0.0.1\n");
  EXPECT_EQ(header_of(ask_udp("example.com")).answers, 1);
}

// A container with a name server of its own on every address, as dnsmasq and bind have it.
TEST_F(DnsServerTest, AContainerMayServeNamesItself) {
  know(names_, {{"web", many(1)}});
  EchoServer own(space_.fd.get(), 53, "own");  // 0.0.0.0 and ::, both protocols
  EXPECT_EQ(header_of(ask_udp("web")).answers, 1);
  EXPECT_EQ(udp_ask(space_.fd.get(), "127.0.0.1", 53, "x"), "own 127.0.0.1");
}

TEST_F(DnsServerTest, DnsmasqRunsBesideIt) {
  constexpr const char* kDnsmasq = "/usr/sbin/dnsmasq";
  if (::access(kDnsmasq, X_OK) != 0) GTEST_SKIP() << "needs dnsmasq";
  know(names_, {{"web", many(1)}});
  std::optional<Child> dnsmasq;
  in_namespace(space_.fd.get(), [&] {
    dnsmasq.emplace(
        spawn({.argv = {kDnsmasq, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                        "--no-hosts", "--user=root", "--pid-file=", "--address=/box/192.0.2.44"},
               .environment = current_environment(),
               .fds = {{2, 1}, {2, 2}},
               .session = Session::same,
               .directory = "/"}));
  });
  auto its_answer = [&] {
    Bytes message = question("box", DnsType::a);
    std::string text(message.begin(), message.end());
    return udp_ask(space_.fd.get(), "127.0.0.1", 53, text, std::chrono::milliseconds(200));
  };
  std::string address("\xc0\x00\x02\x2c", 4);
  EXPECT_TRUE(test::eventually([&] { return its_answer().ends_with(address); }));
  EXPECT_EQ(header_of(ask_udp("web")).answers, 1);
}

TEST_F(DnsServerTest, LongAnswersComeByTcp) {
  start_upstream();
  know(upstream_names_, {{"big.example.com", many(400)}});
  know(names_, {{"big", many(100)}});
  EXPECT_TRUE(is_truncated(ask_udp("big")));
  EXPECT_GT(header_of(ask_udp("big")).answers, 20);
  EXPECT_TRUE(is_truncated(ask_udp("big.example.com")));
  in_namespace(space_.fd.get(), [&] {
    Fd fd = client(SOCK_STREAM);
    for (const char* name : {"big", "big.example.com"}) {  // two on one connection
      Bytes message = question(name, DnsType::a);
      message.insert(message.begin(), {0, static_cast<uint8_t>(message.size())});
      ::send(fd.get(), message.data(), message.size(), 0);
      std::array<uint8_t, 14> head;
      ASSERT_EQ(::recv(fd.get(), head.data(), head.size(), MSG_WAITALL), 14);
      EXPECT_EQ(head[8] << 8 | head[9], name == std::string("big") ? 100 : 400);
      Bytes rest(static_cast<size_t>((head[0] << 8 | head[1]) - 12));
      ::recv(fd.get(), rest.data(), rest.size(), MSG_WAITALL);
    }
  });
}

TEST_F(DnsServerTest, TheResolverOfTheCLibraryIsContent) {
  know(names_, {{"web", many(60)}});
  write_all(open_file("/run/resolv.conf", O_WRONLY | O_CREAT | O_TRUNC, 0644).get(),
            "nameserver 127.0.0.11\noptions ndots:0\n");
  ASSERT_EQ(::mount("/run/resolv.conf", "/etc/resolv.conf", nullptr, MS_BIND, nullptr), 0);
  size_t count = 0;
  in_namespace(space_.fd.get(), [&] {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    EXPECT_EQ(::getaddrinfo("web", "80", &hints, &found), 0);
    for (addrinfo* a = found; a != nullptr; a = a->ai_next) ++count;
    if (found != nullptr) ::freeaddrinfo(found);
  });
  EXPECT_EQ(count, 60U) << "truncated by UDP, whole by TCP";
}

TEST_F(DnsServerTest, QueriesWaitForTheNextServer) {
  know(names_, {{"web", many(1)}});
  loop_.wait(server_->stop("shop"));
  Bytes answer;
  std::thread waiting([&] { answer = ask_udp("web"); });
  ::usleep(100000);
  loop_.call(
      [&] { server_->serve("shop", space_.dns.udp.duplicate(), space_.dns.tcp.duplicate()); });
  waiting.join();
  EXPECT_EQ(header_of(answer).answers, 1);
}

// A question with some bytes changed, cut off or added.
Bytes broken_question(std::mt19937& random) {
  static const char* const kNames[] = {"web", "x.example.com", "2.0.112.10.in-addr.arpa",
                                       "a.b.c.d"};
  constexpr DnsType kTypes[] = {DnsType::a, DnsType::aaaa, DnsType::ptr, DnsType::any};
  Bytes out = question(kNames[random() % 4], kTypes[random() % 4]);
  for (unsigned n = random() % 5; n > 0; --n) {
    size_t place = random() % out.size();
    auto byte = static_cast<uint8_t>(random());
    if (random() % 2 == 0) out.insert(out.begin() + static_cast<ptrdiff_t>(place), byte);
    out[place] = byte;
  }
  if (random() % 4 == 0) out.resize(1 + random() % out.size());
  if (random() % 16 == 0) out.resize(out.size() + random() % 1400, static_cast<uint8_t>(random()));
  return out;
}

// Whether a server that got all before is still there, and answers as ever.
bool answers_after_that(const Fd& fd) {
  constexpr uint8_t kMark = 0x42;
  Bytes ask = question("known", DnsType::a);
  ask[0] = ask[1] = kMark;
  ::send(fd.get(), ask.data(), ask.size(), 0);
  for (;;) {
    Bytes answer = read_some(fd);
    if (answer.empty()) return false;
    if (answer.size() > ask.size() && answer[0] == kMark && answer[1] == kMark) return true;
  }
}

// PCOMPOSE_PACKETS says how many; ./check --long has a million.
TEST_F(DnsServerTest, FuzzedPacketsDoNotStopIt) {
  know(names_, {{"web", many(60)}, {"known", many(1)}});
  const char* wanted = std::getenv("PCOMPOSE_PACKETS");
  long count = wanted == nullptr ? 20'000 : std::strtol(wanted, nullptr, 10);
  std::mt19937 random(std::random_device{}());
  in_namespace(space_.fd.get(), [&] {
    Fd udp = client(SOCK_DGRAM);
    for (long i = 1; i <= count; ++i) {
      Bytes message = broken_question(random);
      ::send(udp.get(), message.data(), message.size(), 0);
      if (i % 64 == 0) ASSERT_TRUE(answers_after_that(udp)) << "after " << i;
      if (i % 1024 != 0) continue;
      Fd tcp = client(SOCK_STREAM);
      message.insert(message.begin(), {0, static_cast<uint8_t>(random())});
      ::send(tcp.get(), message.data(), message.size(), MSG_NOSIGNAL);
    }
    EXPECT_TRUE(answers_after_that(udp));
  });
}

TEST_F(DnsServerTest, ResolvConf) {
  auto found = parse_resolv_conf(
      "# comment\nnameserver 10.0.0.1\nnameserver\tfe80::1\nsearch x\nnameserver bad\n"
      "nameserver 10.0.0.3\nnameserver 10.0.0.4\n");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[2].to_string(), "10.0.0.3");
}

}  // namespace
}  // namespace pcompose::netns
