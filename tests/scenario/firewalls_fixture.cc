#include "tests/scenario/firewalls_fixture.h"

#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "base/fd.h"

namespace pcompose::test {

using netns::tcp_ask;

void FirewallsTest::SetUp() {
  if (::access("/usr/sbin/iptables", X_OK) != 0) GTEST_SKIP() << "needs iptables";
  StackTest::SetUp();
  if (IsSkipped()) return;
  lan_.emplace(kernel_, "lan0", "192.168.7.1", "192.168.7.2");
  world_.emplace(lan_->fd(), 80, "world");
  compose(R"(services:
  web:
    image: busybox
    command: nc -ll -p 80 -e echo hello
    stop_grace_period: 0s
    ports: ["18080:80"]
  app:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
)");
}

void FirewallsTest::TearDown() {
  if (directory_.empty()) return;
  world_.reset();
  lan_.reset();
  expect(0, {"down", "-t", "0"});
  nft("flush ruleset");  // that of the others: not our leak
  StackTest::TearDown();
}

void FirewallsTest::nft(const std::string& command) {
  std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> context(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
  EXPECT_EQ(nft_run_cmd_from_buffer(context.get(), command.c_str()), 0) << command;
}

Result FirewallsTest::program(const std::string& path, std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), path);
  Fd out = open_file(file("program.out"), O_RDWR | O_CREAT | O_TRUNC, 0600);
  Child child = spawn({.argv = std::move(arguments),
                       .environment = current_environment(),
                       .fds = {{out.get(), 1}, {out.get(), 2}},
                       .session = Session::same,
                       .directory = "/"});
  int code = child.wait().code();
  return {code, read_file(file("program.out")), ""};
}

void FirewallsTest::iptables(std::vector<std::string> arguments) {
  Result r = program("/usr/sbin/iptables", std::move(arguments));
  ASSERT_EQ(r.code, 0) << r.out;
}

std::string FirewallsTest::rules() const { return program("/usr/sbin/iptables", {"-S"}).out; }

bool FirewallsTest::all_ways_are_open() {
  return in_app("nc -w 1 192.168.7.2 80 </dev/null") == "world 192.168.7.1" &&
         in_app("nc -w 1 web 80 </dev/null") == "hello\n" &&
         tcp_ask(lan_->fd(), "192.168.7.1", 18080, std::chrono::seconds(1)) == "hello\n" &&
         tcp_ask(-1, "127.0.0.1", 18080, std::chrono::seconds(1)) == "hello\n";
}

std::string FirewallsTest::in_app(const std::string& command) {
  return pcompose({"exec", "-T", "app", "sh", "-c", command}).out;
}

void FirewallsTest::expect_open(const std::string& when) {
  EXPECT_TRUE(eventually([&] { return all_ways_are_open(); }))
      << when << ": world " << in_app("nc -w 1 192.168.7.2 80 </dev/null") << ", web "
      << in_app("nc -w 1 web 80 </dev/null") << ", port "
      << tcp_ask(lan_->fd(), "192.168.7.1", 18080, std::chrono::seconds(1)) << "\n"
      << rules();
}

}  // namespace pcompose::test
