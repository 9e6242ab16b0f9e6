// Name queries while containers come and go and the supervisor is killed: none may be lost.
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <set>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/pidfd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A client in a container's network namespace that asks 127.0.0.11 for one name after the other,
// every two milliseconds, and does not ask twice.
class Asker {
 public:
  Asker(Fd space, int names)
      : names_(names), space_(std::move(space)), thread_([this] { run(); }) {}
  ~Asker() {
    if (thread_.joinable()) finish();
  }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  // Asks no more, and waits for what is still to come.
  void finish() {
    stop_ = true;
    thread_.join();
  }

  size_t asked = 0;
  std::set<uint16_t> open;               // without an answer
  std::map<int, size_t> codes;           // RFC 1035, 4.1.1
  std::map<uint16_t, size_t> addresses;  // how many answers had so many
  milliseconds slowest{0};

 private:
  void run() {
    if (::setns(space_.get(), CLONE_NEWNET) != 0) throw Error::from_errno("enter a namespace");
    socket_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(53);
    server.sin_addr.s_addr = htonl(0x7f00000b);
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&server), sizeof server) != 0)
      throw Error::from_errno("connect");
    while (!stop_) {
      ask();
      receive(2);
    }
    auto end = steady_clock::now() + std::chrono::seconds(10);
    while (!open.empty() && steady_clock::now() < end) receive(50);
  }

  // A standard query for A of "sN" (RFC 1035, 4.1).
  void ask() {
    auto id = static_cast<uint16_t>(++asked);
    std::string name = "s" + std::to_string(1 + asked % static_cast<size_t>(names_));
    std::string message = {
        static_cast<char>(id >> 8),    static_cast<char>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0,
        static_cast<char>(name.size())};
    message += name + std::string("\0\0\1\0\1", 5);
    open.insert(id);
    sent_[id] = steady_clock::now();
    if (::send(socket_.get(), message.data(), message.size(), 0) < 0)
      throw Error::from_errno("send a query");
  }

  void receive(int limit_ms) {
    auto until = steady_clock::now() + milliseconds(limit_ms);
    for (;;) {
      auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
      pollfd wait{socket_.get(), POLLIN, 0};
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) return;
      std::array<uint8_t, 512> answer;
      ssize_t n = ::recv(socket_.get(), answer.data(), answer.size(), 0);
      if (n < 12) continue;
      auto id = static_cast<uint16_t>(answer[0] << 8 | answer[1]);
      if (open.erase(id) == 0) continue;
      ++codes[answer[3] & 0xf];
      ++addresses[static_cast<uint16_t>(answer[6] << 8 | answer[7])];
      auto took = std::chrono::ceil<milliseconds>(steady_clock::now() - sent_[id]);
      slowest = std::max(slowest, took);
    }
  }

  int names_;
  Fd space_, socket_;
  std::map<uint16_t, steady_clock::time_point> sent_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class DnsTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    if (IsSkipped()) return;
    std::string yaml =
        "x-service: &service {image: busybox, command: sleep 1000, stop_grace_period: 0s}\n"
        "services:\n  asker: *service\n";
    for (int i = 1; i <= kServices; ++i) yaml += fmt::format("  s{}: *service\n", i);
    compose(yaml);
    expect(0, {"up", "-d"});
  }
  std::vector<std::string> recreate() {
    std::vector<std::string> out = {"up", "-d", "--force-recreate", "--no-deps"};
    for (int i = 1; i <= kServices; ++i) out.push_back("s" + std::to_string(i));
    return out;
  }
  static constexpr int kServices = 50;
};

TEST_F(DnsTest, NoQueryIsLostWhileFiftyServicesAreMadeAnewAndTheSupervisorIsKilledTwice) {
  Asker asker(network_of("asker"), kServices);
  Child up = start_pcompose(recreate(), "client");
  pid_t killed = 0;
  for (int i = 0; i < 2; ++i) {
    ::usleep(150000);  // into the work
    EXPECT_FALSE(up.pidfd().ended()) << "too late for the kill";
    pid_t pid = 0;
    ASSERT_TRUE(eventually([&] { return (pid = supervisor()) != 0 && pid != killed; }));
    Pidfd::open(pid).send_signal(SIGKILL);
    killed = pid;
  }
  ASSERT_TRUE(eventually([&] { return up.pidfd().ended(); }, std::chrono::seconds(60)));
  EXPECT_EQ(up.wait().code(), 0) << read_file(file("client.err"));
  asker.finish();
  EXPECT_GT(asker.asked, size_t{kServices});
  EXPECT_TRUE(asker.open.empty()) << asker.open.size() << " of " << asker.asked << " lost";
  EXPECT_EQ(asker.codes.size(), 1U) << "not all NOERROR";
  EXPECT_EQ(asker.codes.begin()->first, 0);
  for (auto [n, times] : asker.addresses)
    std::cout << times << " answers with " << n << " addresses\n";
  for (auto [n, times] : asker.codes) std::cout << times << " answers with code " << n << "\n";
  std::cout << asker.asked << " queries, slowest " << asker.slowest.count() << " ms\n";
}

}  // namespace
}  // namespace pcompose::test
