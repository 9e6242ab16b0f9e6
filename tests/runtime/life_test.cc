// From create to delete, and what happens on the way.
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/launch/rights.h"
#include "tests/runtime/bundle_fixture.h"

namespace pcompose::engine::runtime {
namespace {

using LifeTest = BundleTest;

TEST_F(LifeTest, CreateStartKillDelete) {
  set_args({"sleep", "100"});
  write_config();
  auto made = command({"create", "--pid-file", directory / "pid", "c1"});
  ASSERT_EQ(made.code, 0) << made.output;
  EXPECT_EQ(state("c1").at("status").as_string(), "created");
  EXPECT_EQ(std::to_string(state("c1").at("pid").as_int64()), read_file(directory / "pid"));
  EXPECT_EQ(command({"delete", "c1"}).code, 1);  // not stopped
  EXPECT_EQ(command({"start", "c1"}).code, 0);
  EXPECT_EQ(state("c1").at("status").as_string(), "running");
  EXPECT_TRUE(contains(command({"start", "c1"}).output, "it is running"));
  EXPECT_EQ(command({"kill", "c1", "KILL"}).code, 0);
  await_status("c1", "stopped");
  EXPECT_EQ(command({"kill", "c1", "KILL"}).code, 1);
  EXPECT_EQ(command({"delete", "c1"}).code, 0);
  EXPECT_TRUE(contains(command({"state", "c1"}).output, "does not exist"));
}

TEST_F(LifeTest, DeleteByAnExpression) {
  set_args({"sleep", "100"});
  write_config();
  for (const char* id : {"one-a", "one-b", "two"})
    ASSERT_EQ(command({"run", "--detach", id}).code, 0);
  auto unknown = command({"exec", "--cap", "CAP_NO_SUCH", "two", "true"});
  EXPECT_EQ(unknown.code, 1) << "what somebody typed, unlike what a description has";
  EXPECT_TRUE(contains(unknown.output, "CAP_NO_SUCH: is not known"));
  EXPECT_EQ(command({"delete", "--force", "--regex", "one-[ab]"}).code, 0);
  EXPECT_EQ(command({"list", "-q"}).output, "two\n");
  EXPECT_EQ(command({"delete", "--force", "--regex", "("}).code, 1);
  EXPECT_EQ(command({"delete", "--force", "two"}).code, 0);
}

TEST_F(LifeTest, RunPassesTheExitCodeOn) {
  EXPECT_EQ(run("exit 7").code, 7);
  EXPECT_EQ(run("kill -9 $$; sleep 1").code, 0);  // PID 1 does not die of its own signal
  EXPECT_EQ(run("echo $HOME").output, "/\n");
}

TEST_F(LifeTest, ErrorsSayWhatFailed) {
  set_args({"nosuch"});
  write_config();
  auto missing = command({"run", "c"});
  EXPECT_EQ(missing.code, 127);
  EXPECT_TRUE(contains(missing.output, "find nosuch: executable file not found in $PATH"));
  set_args({"/etc"});
  write_config();
  EXPECT_EQ(command({"run", "c"}).code, 126);
  set_args({"true"});
  mounts().push_back({{"destination", "/x"}, {"type", "bind"}, {"source", "/no/such"}});
  write_config();
  EXPECT_TRUE(contains(command({"run", "c"}).output,
                       "mounts[7].source: /no/such: No such file or directory"));
  command({"--log", directory / "log", "--log-format", "json", "run", "c"});
  auto line = json::parse(read_file(directory / "log")).as_object();
  EXPECT_EQ(line.at("level").as_string(), "error");
  EXPECT_TRUE(line.contains("time") && line.contains("msg"));
  EXPECT_TRUE(
      contains(command({"run", "../c"}).output, "invalid character '/' in the container ID"));
  EXPECT_TRUE(contains(command({"--systemd-cgroup", "list"}).output, "not supported"));
}

TEST_F(LifeTest, AProgramThatCannotBeExecutedFailsItsStart) {
  replace_file(directory / "rootfs/bin/odd", "#!/no/such/interpreter\n", 0755);
  set_args({"odd"});
  write_config();
  ASSERT_EQ(command({"create", "c1"}).code, 0);
  auto started = command({"start", "c1"});
  EXPECT_EQ(started.code, 127);
  EXPECT_TRUE(contains(started.output, "exec odd")) << started.output;
  await_status("c1", "stopped");
  EXPECT_EQ(command({"delete", "c1"}).code, 0);
}

TEST_F(LifeTest, Exec) {
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  EXPECT_EQ(command({"exec", "c1", "sh", "-c", "cat /proc/1/cmdline; exit 3"}).code, 3);
  EXPECT_EQ(command({"exec", "-e", "A=b", "c1", "sh", "-c", "echo $A -x"}).output, "b -x\n");
  EXPECT_TRUE(contains(command({"exec", "-u", "5:6", "c1", "id"}).output, "uid=5 gid=6"));
  EXPECT_EQ(command({"exec", "--cwd", "/etc", "c1", "readlink", "/proc/self/cwd"}).output,
            "/etc\n");
  EXPECT_EQ(command({"exec", "c1", "nosuch"}).code, 127);
  EXPECT_EQ(command({"exec", "-d", "--pid-file", directory / "p", "c1", "sleep", "50"}).code, 0);
  EXPECT_TRUE(contains(command({"ps", "c1"}).output, "sleep 50"));
  EXPECT_TRUE(contains(command({"ps", "-f", "json", "c1"}).output, read_file(directory / "p")));
  EXPECT_EQ(command({"pause", "c1"}).code, 0);
  EXPECT_EQ(state("c1").at("status").as_string(), "paused");
  EXPECT_TRUE(contains(command({"exec", "c1", "true"}).output, "is paused"));
  EXPECT_EQ(command({"resume", "c1"}).code, 0);
  EXPECT_EQ(command({"kill", "--all", "c1", "KILL"}).code, 0);
  await_status("c1", "stopped");
  EXPECT_TRUE(contains(command({"exec", "c1", "true"}).output, "is stopped"));
}

// A frozen process of cgroup v1 does not die, and who froze it may have others there.
TEST_F(LifeTest, DeleteTakesItOutOfAFreezerOfOthers) {
  std::string freezer = "/sys/fs/cgroup/freezer/pcompose-test-" + std::to_string(::getpid());
  if (::access("/sys/fs/cgroup/freezer/tasks", W_OK) != 0) GTEST_SKIP() << "no freezer of v1";
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  std::filesystem::create_directory(freezer);
  auto write = [&](const std::string& file, const std::string& text) {
    write_all(open_file(freezer + file, O_WRONLY).get(), text);
  };
  write("/cgroup.procs", std::to_string(state("c1").at("pid").as_int64()));
  write("/freezer.state", "FROZEN");
  auto removed = command({"delete", "--force", "c1"});
  EXPECT_EQ(removed.code, 0) << removed.output;
  EXPECT_EQ(read_file(freezer + "/cgroup.procs"), "");
  EXPECT_EQ(read_file(freezer + "/freezer.state"), "FROZEN\n");
  EXPECT_EQ(::rmdir(freezer.c_str()), 0);
}

TEST_F(LifeTest, ExecEntersAGroupBeneathTheContainers) {
  set_args({"sleep", "100"});
  linux_part()["resources"].as_object()["pids"] = {{"limit", 20}};
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  std::string pids = "/sys/fs/cgroup/pids/pcompose-runtime/c1/below";
  bool v1 = ::access("/sys/fs/cgroup/pids", F_OK) == 0;
  if (!v1) pids = "/sys/fs/cgroup/pcompose-runtime/c1/below";
  std::filesystem::create_directory(pids);
  auto inside = command({"exec", "--cgroup", "below", "c1", "cat", "/proc/self/cgroup"});
  EXPECT_EQ(inside.code, 0) << inside.output;
  EXPECT_TRUE(contains(inside.output, "/below")) << inside.output;
  EXPECT_TRUE(contains(command({"exec", "--cgroup", "below/../..", "c1", "true"}).output,
                       "`..` components are not allowed"));
  EXPECT_TRUE(contains(command({"exec", "--cgroup", "nosuch", "c1", "true"}).output,
                       "the container has no such group"));
}

TEST_F(LifeTest, ACreatedContainerIsNotEntered) {
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"create", "c1"}).code, 0);
  EXPECT_TRUE(contains(command({"exec", "c1", "true"}).output, "is created, not running"));
}

TEST_F(LifeTest, HooksGetTheStateAndRunInTheirPlaces) {
  std::string log = directory / "log";
  auto hook = [&](const std::string& name) {
    std::string line = "echo " + name + " $(grep -o '\"status\":\"[a-z]*\"') $PWD >> " + log;
    return json::array{{{"path", "/bin/sh"}, {"args", {"sh", "-c", line}}}};
  };
  config["hooks"] = {{"prestart", hook("prestart")},
                     {"createRuntime", hook("createRuntime")},
                     {"createContainer", hook("createContainer")},
                     {"poststart", hook("poststart")},
                     {"poststop", hook("poststop")}};
  json::object start = {{"path", "/bin/sh"}, {"args", {"sh", "-c", "cat > /tmp/start"}}};
  config["hooks"].as_object()["startContainer"] = json::array{start};
  config["root"].as_object()["readonly"] = false;
  EXPECT_EQ(run("grep -o '\"status\":\"created\"' /tmp/start").output, "\"status\":\"created\"\n");
  std::string in = " \"status\":\"creating\" " + directory.path() + "\n";
  std::string before = "prestart \"status\":\"created\" " + directory.path() + "\n";
  EXPECT_EQ(read_file(log), before + "createRuntime" + in + "createContainer" + in +
                                "poststart \"status\":\"running\" " + directory.path() + "\n" +
                                "poststop \"status\":\"stopped\" " + directory.path() + "\n");
}

TEST_F(LifeTest, AHookThatFailsOrHangsEndsTheContainer) {
  config["hooks"] = {{"createRuntime", {{{"path", "/bin/false"}}}}};
  auto failed = run("true");
  EXPECT_EQ(failed.code, 1);
  EXPECT_TRUE(contains(failed.output, "createRuntime hook failed with exit code 1: /bin/false"));
  config["hooks"] = {
      {"prestart", {{{"path", "/bin/sleep"}, {"args", {"sleep", "100"}}, {"timeout", 1}}}}};
  EXPECT_TRUE(contains(run("true").output, "took longer than 1 s"));
  config["hooks"] = {{"poststart", {{{"path", "/bin/false"}}}}};
  EXPECT_EQ(run("sleep 100").code, 1);
}

// What conmon does: listens, and gets the terminal's master.
Fd receive_master(const Fd& listener) {
  Fd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  char name[128];
  iovec iov{name, sizeof name};
  launch::RightsBuffer<1> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  launch::expect_rights(message, control);
  int fd = -1;
  if (::recvmsg(connection.get(), &message, MSG_CMSG_CLOEXEC) > 0)
    launch::take_rights(message, &fd);
  return Fd(fd);
}

TEST_F(LifeTest, ATerminalComesThroughTheConsoleSocket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = directory / "console";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  process()["terminal"] = true;
  process()["consoleSize"] = {{"height", 31}, {"width", 97}};
  set_args({"sh", "-c", "tty; stty size; test -c /dev/console && echo console; sleep 100"});
  write_config();
  EXPECT_TRUE(contains(command({"create", "c1"}).output, "wants --console-socket"));
  ASSERT_EQ(command({"create", "--console-socket", path, "c1"}).code, 0);
  Fd master = receive_master(listener);
  ASSERT_TRUE(master);
  ASSERT_EQ(command({"start", "c1"}).code, 0);
  std::string text;
  char buffer[512];
  while (!contains(text, "console\r\n")) {
    ssize_t n = ::read(master.get(), buffer, sizeof buffer);
    ASSERT_GT(n, 0) << text;
    text.append(buffer, static_cast<size_t>(n));
  }
  EXPECT_EQ(text, "/dev/pts/0\r\n31 97\r\nconsole\r\n");
}

// PCOMPOSE_RUNS: how many instead.
TEST_F(LifeTest, FiveHundredRunsLeaveNothing) {
  set_args({"true"});
  write_config();
  const char* runs = ::getenv("PCOMPOSE_RUNS");
  // It takes long: its group must not be that of another run of these tests.
  std::string id = "c" + std::to_string(::getpid());
  count_groups_of(id);
  for (int i = 0; i < (runs == nullptr ? 500 : std::stoi(runs)); ++i) {
    auto outcome = command({"run", id});
    ASSERT_EQ(outcome.code, 0) << i << ": " << outcome.output;
  }
}

}  // namespace
}  // namespace pcompose::engine::runtime
