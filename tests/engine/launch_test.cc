// Starts real containers through the real keeper; needs root and busybox.
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/process.h"
#include "engine/keeper_client.h"
#include "engine/namespaces.h"
#include "engine/output/staging.h"
#include "engine/seccomp.h"
#include "engine/spec.h"
#include "tests/eventually.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;

// A keeper whose supervisor is this test.
class LaunchTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/pcompose-launch-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    fs::create_directories(directory_ + "/rootfs/bin");
    fs::copy_file("/bin/busybox", directory_ + "/rootfs/bin/busybox");
    for (const char* applet : {"sh", "echo", "true", "cat", "sleep", "id", "mount", "ls"}) {
      fs::create_symlink("busybox", directory_ + "/rootfs/bin/" + applet);
    }
    fs::create_directories(directory_ + "/rootfs/etc");
    for (const char* d : {"l", "u", "w", "m"}) fs::create_directory(directory_ + "/" + d);
    fs::create_symlink(directory_ + "/rootfs", directory_ + "/l/A");
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    Fd theirs(pair[1]);
    keeper_.emplace(spawn({.argv = {KEEPER, directory_, "--adopt", "/bin/false"},
                           .environment = {},
                           .fds = {{theirs.get(), keeper::kSupervisorFd}},
                           .session = Session::own,
                           .directory = ""}));
    client_.emplace(context_.get_executor(), Fd(pair[0]));
    client_->on_exit = [this](const std::string& n, std::optional<ExitStatus> s) {
      exits_[n] = s->code();
    };
    Staging::make_fifos(directory_);
    reader_ = open_file(Staging::fifo_path(directory_, Stream::out), O_RDONLY | O_NONBLOCK);
    writer_ = open_file(Staging::fifo_path(directory_, Stream::out), O_RDWR);
  }
  void TearDown() override {
    if (client_) client_->quit();
    client_.reset();
    keeper_.reset();
    fs::remove_all(directory_);
  }

  ContainerSpec spec(std::vector<std::string> args) {
    ContainerSpec s;
    s.hostname = "box";
    s.root = {.links = directory_ + "/l",
              .lower = {"A"},
              .upper = directory_ + "/u",
              .work = directory_ + "/w",
              .path = directory_ + "/m"};
    s.mounts = default_mounts(64U << 20U);
    s.linux.new_namespaces =
        CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
    s.linux.masked_paths = default_masked_paths();
    s.linux.readonly_paths = default_readonly_paths();
    s.process.args = std::move(args);
    s.process.env = {"PATH=/bin"};
    s.process.capabilities = default_capabilities();
    s.linux.seccomp = default_seccomp_filter(s.process.capabilities, directory_);
    s.process.stdio[1] = s.process.stdio[2] = writer_.get();
    return s;
  }

  // Runs the task beside the client's reader until it ends.
  void run(Task<> task) {
    std::exception_ptr failure;
    TaskGroup group(context_.get_executor());
    group.spawn(client_->run());
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr e) {
      failure = e;
      group.cancel();
    });
    context_.restart();
    context_.run();
    if (failure) std::rethrow_exception(failure);
  }
  Task<> until_exit(std::string name) {
    for (int i = 0; i < 6000 && !exits_.contains(name); ++i)
      co_await sleep_for(std::chrono::milliseconds(10));
  }
  Task<Launched> up(const ContainerSpec& s) {
    auto parked = co_await client_->launch("c1", prepare_plan(s));
    auto started = co_await client_->start("c1", start_plan(s));
    co_return started;
  }
  std::string output() {
    std::string text(65536, '\0');
    ssize_t n = ::read(reader_.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

  std::string directory_;
  asio::io_context context_{1};
  std::optional<Child> keeper_;
  std::optional<KeeperClient> client_;
  Fd reader_, writer_;
  std::map<std::string, int> exits_;
};

TEST_F(LaunchTest, RunsAProgramInItsOwnWorld) {
  auto s = spec({"sh", "-c", "echo $$ $(cat /proc/sys/kernel/hostname) $(id -u) $(ls /)"});
  run([&]() -> Task<> {
    co_await up(s);
    co_await until_exit("c1");
  }());
  EXPECT_EQ(output(), "1 box 0 bin dev etc proc sys\n");
  EXPECT_EQ(exits_.at("c1"), 0);
}

TEST_F(LaunchTest, HidesAndProtectsWhatDockerDoes) {
  auto s =
      spec({"sh", "-c",
            "echo x > /proc/sys/kernel/panic; cat /proc/kcore | head -c1; mount -t tmpfs t /etc; "
            "grep -c . /proc/self/status >/dev/null; cat /proc/self/status"});
  run([&]() -> Task<> {
    co_await up(s);
    co_await until_exit("c1");
  }());
  std::string text = output();
  EXPECT_NE(text.find("can't create /proc/sys/kernel/panic: Read-only file system"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("permission denied"), std::string::npos) << text;
  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos) << text;
  EXPECT_NE(text.find("CapBnd:\t00000000a80425fb"), std::string::npos) << text;
}

TEST_F(LaunchTest, AMissingProgramIsNamed) {
  auto s = spec({"nosuch"});
  try {
    run([&]() -> Task<> { co_await up(s); }());
    FAIL();
  } catch (const LaunchError& e) {
    EXPECT_STREQ(e.what(), "exec nosuch: No such file or directory");
    EXPECT_EQ(e.op(), launch::OpCode::exec);
  }
}

TEST_F(LaunchTest, ExecEntersTheContainer) {
  auto s = spec({"sleep", "100"});
  run([&]() -> Task<> {
    auto running = co_await up(s);
    Process p = s.process;
    p.args = {"sh", "-c", "cat /proc/1/cmdline; exit 7"};
    Linux linux = s.linux;
    Fd root = open_file("/proc/" + std::to_string(running.pid) + "/root", O_PATH | O_DIRECTORY);
    Entry into{running.pidfd.get(), root.get(), namespaces_apart_from_ours(running.pid)};
    co_await client_->exec("c1.x1", exec_plan(p, into, linux));
    co_await until_exit("c1.x1");
    Pidfd(std::move(running.pidfd)).send_signal(SIGKILL);
    co_await until_exit("c1");
  }());
  EXPECT_EQ(output(), std::string("sleep\0"
                                  "100\0",
                                  10));
  EXPECT_EQ(exits_.at("c1.x1"), 7);
  EXPECT_EQ(exits_.at("c1"), 137);
}

TEST_F(LaunchTest, ATerminalIsOne) {
  auto s = spec({"sh", "-c", "tty; stty size < /dev/tty 2>/dev/null; [ -t 1 ] && echo terminal"});
  s.process.terminal = true;
  std::string text;
  run([&]() -> Task<> {
    auto running = co_await up(s);
    co_await until_exit("c1");
    text.resize(4096);
    ssize_t n = ::read(running.terminal.get(), text.data(), text.size());
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  }());
  EXPECT_NE(text.find("terminal"), std::string::npos) << text;
}

TEST_F(LaunchTest, BindsAreAttachedAtStart) {
  auto s = spec({"cat", "/data/late"});
  std::string host = directory_ + "/host";
  fs::create_directory(host);
  Mount bind;
  bind.type = "bind";
  bind.source = "/";  // not reachable by path after the pivot: the tree counts
  bind.destination = "/data";
  run([&]() -> Task<> {
    co_await client_->launch("c1", prepare_plan(s));
    replace_file(host + "/late", "written while it was parked");
    Fd tree(
        static_cast<int>(::syscall(428 /* open_tree */, AT_FDCWD, host.c_str(), 1 | O_CLOEXEC)));
    bind.tree = tree.get();
    s.start_mounts = {bind};
    co_await client_->start("c1", start_plan(s));
    co_await until_exit("c1");
  }());
  EXPECT_EQ(output(), "written while it was parked");
}

TEST_F(LaunchTest, ParkedChildrenEndWithTheKeeper) {
  auto s = spec({"sleep", "100"});
  Pidfd parked;
  run([&]() -> Task<> {
    auto child = co_await client_->launch("c1", prepare_plan(s));
    parked = Pidfd(std::move(child.pidfd));
  }());
  keeper_.reset();
  EXPECT_TRUE(test::eventually([&] { return parked.ended(); }));
}

TEST_F(LaunchTest, TheKeeperListsWhatItHolds) {
  auto s = spec({"sh", "-c", "exit 3"});
  run([&]() -> Task<> {
    co_await up(s);
    co_await until_exit("c1");
  }());
  client_->store("c/1/out", reader_.get());
  auto inventory = client_->list();
  ASSERT_EQ(inventory.processes.size(), 1U);
  EXPECT_EQ(inventory.processes[0].status->code(), 3);
  ASSERT_EQ(inventory.descriptors.size(), 1U);
  EXPECT_EQ(inventory.descriptors[0].name, "c/1/out");
  client_->forget("c1");
  client_->drop("c/1/out");
  inventory = client_->list();
  EXPECT_TRUE(inventory.processes.empty());
  EXPECT_TRUE(inventory.descriptors.empty());
}

TEST_F(LaunchTest, PlansLongerThanAMessageWork) {
  auto s = spec({"sh", "-c", "echo ${#BIG}"});
  s.process.env.push_back("BIG=" + std::string(120000, 'x'));
  s.process.env.push_back("BIG2=" + std::string(120000, 'x'));
  run([&]() -> Task<> {
    co_await up(s);
    co_await until_exit("c1");
  }());
  EXPECT_EQ(output(), "120000\n");
}

}  // namespace
}  // namespace pcompose::engine
