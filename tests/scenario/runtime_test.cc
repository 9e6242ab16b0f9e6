// runtime: containers by an OCI runtime of others.
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <pty.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class RuntimeTest : public StackTest {
 protected:
  void SetUp() override {
    if (::access("/usr/bin/crun", X_OK) != 0) GTEST_SKIP() << "needs crun";
    // crun refuses hosts whose v2 hierarchy has a controller beside those of v1; in this mount
    // namespace, which is the test's own, there is no such hierarchy.
    ::umount2("/sys/fs/cgroup/unified", MNT_DETACH);
    StackTest::SetUp();
  }
  std::string in(const std::string& command) {
    return expect(0, {"exec", "-T", "w", "sh", "-c", command}).out;
  }
};

TEST_F(RuntimeTest, RunsLogsExecutesAndStops) {
  write("note", "from the host\n");
  compose(R"(services:
  w:
    image: busybox
    runtime: crun
    command: sh -c 'echo out; echo err >&2; trap "echo bye; exit 7" TERM; sleep 1000 & wait'
    hostname: box
    user: "1000:1000"
    environment: {COLOUR: red}
    mem_limit: 64m
    cap_add: [NET_ADMIN]
    volumes: ['./note:/note:ro', 'data:/data']
  db: {image: busybox, command: nc -ll -p 80 -e echo hello, stop_grace_period: 0s}
volumes: {data: {}}
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() >= 2; }));
  EXPECT_EQ(in("id -u; hostname; echo $COLOUR; cat /note"), "1000\nbox\nred\nfrom the host\n");
  EXPECT_EQ(in("nc -w 2 db 80 </dev/null"), "hello\n") << "its network and names";
  EXPECT_EQ(in("awk '/^CapEff/ {print $2}' /proc/self/status"), "0000000000000000\n");
  EXPECT_EQ(in("awk '/^Seccomp:/ {print $2}' /proc/1/status"), "2\n");
  EXPECT_EQ(expect(3, {"exec", "-T", "w", "sh", "-c", "exit 3"}).code, 3);
  EXPECT_EQ(expect(0, {"exec", "-T", "-u", "root", "w", "id", "-u"}).out, "0\n");
  EXPECT_NE(pcompose({"exec", "-T", "w", "sh", "-c", "echo x > /note"}).code, 0);
  int master = -1, slave = -1;
  winsize size{31, 79, 0, 0};
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
  Fd ours(master), theirs(slave);
  Child client = spawn(
      // crun hands the terminal over before it has a size, and its program does not wait for one.
      {.argv = {BIN "/pcompose", "exec", "w", "sh", "-c",
                "test -t 0 && until stty size | grep .; do sleep 0.1; done; read x; exit 5"},
       .environment = current_environment(),
       .fds = {{slave, 0}, {slave, 1}, {slave, 2}},
       .session = Session::own,
       .directory = directory_});
  std::string seen;
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  EXPECT_TRUE(eventually([&] {
    char block[256];
    for (ssize_t n = 0; (n = ::read(master, block, sizeof block)) > 0;)
      seen.append(block, static_cast<size_t>(n));
    return seen.find("31 79") != std::string::npos;
  })) << seen;
  write_all(master, "\r");
  EXPECT_EQ(client.wait().code(), 5);
  expect(0, {"stop", "-t", "5"});
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 7);
  EXPECT_EQ(lines("w").back(), "bye");
  expect(0, {"start"});
  EXPECT_EQ(state("w"), "running");
  expect(0, {"kill", "w"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 137);
}

TEST_F(RuntimeTest, HealthRestartsAndASupervisorsDeath) {
  compose(R"(services:
  w:
    image: busybox
    runtime: crun
    command: sleep 1000
    stop_grace_period: 0s
    restart: always
    healthcheck: {test: ["CMD", "true"], interval: 1s}
)");
  expect(0, {"up", "-d", "--wait"});
  EXPECT_EQ(health("w"), "healthy");
  ASSERT_NE(supervisor(), 0);
  ::kill(supervisor(), SIGKILL);
  ASSERT_TRUE(eventually([&] { return in("echo still") == "still\n"; }));
  in("kill -9 1 2>/dev/null; true");
  expect(0, {"kill", "-s", "USR1", "w"});
  ASSERT_TRUE(eventually([&] { return state("w") == "running"; }));
  expect(0, {"down"});
}

// It is the runtime that runs them: they stand in the bundle's config.json.
TEST_F(RuntimeTest, HooksOfCdiDevices) {
  std::filesystem::create_directories("/run/cdi");
  std::ofstream("/run/cdi/toys.json") << R"({"cdiVersion": "0.6.0", "kind": "example.com/toy",
    "devices": [
      {"name": "hooked", "containerEdits": {
        "env": ["TOY=hooked"],
        "deviceNodes": [{"path": "/dev/toy", "hostPath": "/dev/net/tun", "permissions": "r"}],
        "hooks": [
          {"hookName": "createRuntime", "path": "/run/cdi/hook", "args": ["hook", "made"]},
          {"hookName": "createContainer", "path": "/run/cdi/hook", "args": ["hook", "inside"]},
          {"hookName": "startContainer", "path": "/bin/touch", "args": ["touch", "/from-within"]},
          {"hookName": "poststart", "path": "/run/cdi/hook", "args": ["hook", "runs"]},
          {"hookName": "poststop", "path": "/run/cdi/hook", "args": ["hook", "ended"]}]}},
      {"name": "failing", "containerEdits": {
        "hooks": [{"hookName": "createRuntime", "path": "/run/cdi/hook", "args": ["hook", "fail"]}]}}]})";
  std::ofstream("/run/cdi/hook") << R"(#!/usr/bin/python3
import json, os, sys
state = json.load(sys.stdin)
if sys.argv[1] == "fail": sys.exit("no such toy")
config = json.load(open(state["bundle"] + "/config.json"))
names = sorted(config["hooks"])
with open("/run/cdi/" + sys.argv[1], "w") as out:
    out.write(state["status"] + " " + ",".join(names))
)";
  std::filesystem::permissions("/run/cdi/hook", std::filesystem::perms(0755));
  constexpr const char* kNames = "createContainer,createRuntime,poststart,poststop,startContainer";
  auto said = [&](const char* hook, const std::string& status) {
    std::string path = std::string("/run/cdi/") + hook;
    return (std::filesystem::exists(path) ? read_file(path) : "") == status + " " + kNames;
  };
  auto file = [](const std::string& device) {
    return "services:\n  w: {image: busybox, runtime: crun, command: sleep 1000, "
           "stop_grace_period: 0s, devices: [example.com/toy=" +
           device + "]}\n";
  };
  compose(file("hooked"));
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("tr '\\0' '\\n' < /proc/1/environ | grep TOY; ls /from-within; test -c /dev/toy && "
               "echo node"),
            "TOY=hooked\n/from-within\nnode\n");
  EXPECT_TRUE(said("made", "created"));  // in the words of crun
  EXPECT_TRUE(said("inside", "created"));
  EXPECT_TRUE(said("runs", "running"));
  expect(0, {"stop", "-t", "0"});
  EXPECT_TRUE(eventually([&] { return said("ended", "stopped"); }));
  expect(0, {"down"});
  compose(file("failing"));
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("hook `/run/cdi/hook` (exit code: 1)"), std::string::npos) << err;
  std::filesystem::remove_all("/run/cdi");
}

TEST_F(RuntimeTest, WhatCannotBeIsSaid) {
  auto refused = [&](const std::string& attributes, const std::string& place,
                     const std::string& text) {
    compose("services:\n  w:\n    image: busybox\n    command: sleep 1000\n    " + attributes +
            "\n");
    std::string err = expect(1, {"up", "-d"}).err;
    EXPECT_NE(err.find("compose.yaml:" + place), std::string::npos) << err;
    EXPECT_NE(err.find(text), std::string::npos) << err;
  };
  refused("runtime: no-such", "6:14: ", "no OCI runtime is called no-such");
  refused("runtime: /no/such", "6:14: ", "no OCI runtime is called /no/such");
  refused("runtime: crun\n    tty: true", "7:10: ", "a terminal is not supported");
  compose("services:\n  w: {image: busybox, runtime: crun, command: [/no-such]}\n");
  Result missing = pcompose({"up", "-d"});
  EXPECT_NE(missing.code, 0);
  EXPECT_NE(missing.err.find("/no-such"), std::string::npos) << missing.err;
}

}  // namespace
}  // namespace pcompose::test
