// Pods: containers that share their namespaces, and the commands for them.
#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>

#include "base/pidfd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

using testing::HasSubstr;
using testing::UnorderedElementsAre;

class PodsTest : public StackTest {
 protected:
  void pod(const std::string& form, const std::string& more = "") {
    compose("x-pcompose: {pod: " + form + R"(}
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
)" + more);
  }
  std::string in(const std::string& service, const std::string& command) {
    Result r = pcompose({"exec", "-T", service, "sh", "-c", command});
    return r.out + r.err;
  }
  std::string space(const std::string& service, const std::string& kind) {
    return in(service, "readlink /proc/self/ns/" + kind);
  }
  std::string project() { return std::string(ps()["web"].at("Project").as_string()); }
  json::value json_of(std::vector<std::string> args) {
    return json::parse(expect(0, std::move(args)).out);
  }
  // PID 1 of the pod's pid namespace, as the host sees it; 0 where none runs.
  static pid_t infra() {
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
      try {
        std::string command = read_file(entry.path() / "cmdline");
        if (command == std::string("/pcompose-init\0--pause\0", 23))
          return std::stoi(entry.path().filename().string());
      } catch (const std::exception&) {
        continue;  // no process, or ended just now
      }
    }
    return 0;
  }
};

TEST_F(PodsTest, ThePidNamespaceIsSharedWhereTheFileSaysSo) {
  pod("{pid: true}");
  expect(0, {"up", "-d"});
  for (const char* kind : {"net", "ipc", "uts", "pid"})
    EXPECT_EQ(space("app", kind), space("web", kind)) << kind;
  EXPECT_THAT(in("app", "ps"), HasSubstr("nc -ll -p 80"));
  EXPECT_THAT(in("app", "cat /proc/1/cmdline | tr '\\0' ' '"), HasSubstr("/pcompose-init --pause"));
  // It reaps who lost his parent.
  in("app", "(sleep 0 &)");
  EXPECT_TRUE(eventually([&] { return in("app", "ps").find(" Z ") == std::string::npos; }));
  // The supervisor's successor knows it: what starts anew comes into the same.
  std::string before = space("app", "pid");
  ::kill(supervisor(), SIGKILL);
  expect(0, {"restart", "web"});
  EXPECT_EQ(space("web", "pid"), before);
  expect(0, {"down"});
  EXPECT_EQ(infra(), 0);
}

TEST_F(PodsTest, APodComesBackAfterItsInfraContainer) {
  pod("{pid: true}", "    restart: always\n");
  expect(0, {"up", "-d"});
  pid_t first = infra();
  ASSERT_GT(first, 0);
  Pidfd::open(first).send_signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return infra() > 0 && infra() != first; }));
  EXPECT_TRUE(eventually([&] { return state("app") == "running"; }));
  EXPECT_EQ(state("web"), "exited") << "its policy is no";
  expect(0, {"up", "-d"});
  EXPECT_EQ(space("app", "pid"), space("web", "pid"));
  EXPECT_TRUE(
      eventually([&] { return in("app", "nc -w 1 127.0.0.1 80 </dev/null") == "hello\n"; }));
}

TEST_F(PodsTest, TheKeeperMayDie) {
  pod("{pid: true}");
  expect(0, {"up", "-d"});
  std::string before = space("app", "pid");
  pid_t old = keeper();
  ::kill(old, SIGKILL);
  EXPECT_TRUE(eventually([&] { return keeper() > 0 && keeper() != old; }));
  expect(0, {"restart", "web"});
  EXPECT_EQ(space("web", "pid"), before);
}

TEST_F(PodsTest, Forms) {
  pod("false");
  expect(0, {"up", "-d"});
  EXPECT_NE(space("app", "net"), space("web", "net"));
  // Changing the form makes the containers anew.
  pod("{pid: false}");
  expect(0, {"up", "-d"});
  EXPECT_EQ(space("app", "net"), space("web", "net"));
  EXPECT_NE(space("app", "pid"), space("web", "pid"));
  expect(0, {"down"});
  std::string good = read_file(file("compose.yaml"));
  pod("[pid]");
  EXPECT_THAT(expect(1, {"up", "-d"}).err,
              HasSubstr("compose.yaml:2:14: x-pcompose.pod: must be true, false or a mapping"));
  pod("{ipc: false}");
  EXPECT_THAT(expect(1, {"up", "-d"}).err,
              HasSubstr("compose.yaml:2:20: x-pcompose.pod.ipc: is not known; 'pid: true' is"));
  write("compose.yaml", good);  // for the end of the test
}

TEST_F(PodsTest, ListedAndInspected) {
  pod("{pid: true}");
  expect(0, {"up", "-d"});
  std::string name = project();
  EXPECT_EQ(json_of({"pod", "ps", "--format", "json"}),
            json::parse(R"([{"Name":")" + name + R"(","Status":"Running","Containers":2}])"));
  EXPECT_EQ(expect(0, {"pod", "ls", "-q"}).out, name + "\n");
  json::value pod = json_of({"pod", "inspect", name}).at(0);
  EXPECT_THAT(json::value_to<std::vector<std::string>>(pod.at("SharedNamespaces")),
              UnorderedElementsAre("ipc", "net", "pid", "uts"));
  EXPECT_EQ(pod.at("Containers").as_array().size(), 2U);
  EXPECT_EQ(pod.at("Ports").at(0).at("HostPort").as_string(), "18120");
  auto stats = json_of({"pod", "stats", "--format", "json"}).as_array();
  ASSERT_EQ(stats.size(), 2U);
  EXPECT_GT(stats[0].at("MemBytes").to_number<int64_t>(), 0);
  EXPECT_GE(stats[0].at("PIDs").to_number<int>(), 1);
  expect(0, {"stop", "app"});
  EXPECT_EQ(json_of({"pod", "inspect", name}).at(0).at("State").as_string(), "Degraded");
  EXPECT_THAT(expect(1, {"pod", "inspect", "nobody"}).err, HasSubstr("there is no pod nobody"));
}

TEST_F(PodsTest, KilledAtOnce) {
  pod("true");
  expect(0, {"up", "-d"});
  expect(0, {"pod", "kill", project()});
  EXPECT_TRUE(eventually([&] { return state("web") == "exited" && state("app") == "exited"; }));
  EXPECT_EQ(ps()["app"].at("ExitCode").as_int64(), 137);
  EXPECT_THAT(expect(0, {"pod", "ps"}).out, HasSubstr("Exited"));
}

// A cgroup to freeze is needed: left out where nobody delegated one.
TEST_F(PodsTest, PausedAtOnce) {
  pod("true");
  expect(0, {"up", "-d"});
  expect(0, {"pod", "pause", project()});
  EXPECT_EQ(state("web"), "paused");
  EXPECT_THAT(expect(0, {"pod", "ps"}).out, HasSubstr("Paused"));
  expect(0, {"pod", "unpause", project()});
  EXPECT_EQ(state("app"), "running");
}

TEST_F(PodsTest, WhatClashesIsSaidWithItsPlace) {
  compose(R"(x-pcompose: {pod: true}
services:
  web: {image: busybox, expose: ["8000-8001"]}
  app: {image: busybox, ports: ["18121:8001"], mac_address: "02:00:00:00:00:01"}
  db: {image: busybox, networks: {default: {ipv4_address: 10.5.0.9}}, network_mode: none}
)");
  // network_mode beside networks is the file's own mistake; the pod's come after it is mended.
  EXPECT_THAT(expect(1, {"up", "-d"}).err, HasSubstr("compose.yaml:6:"));
  compose(R"(x-pcompose: {pod: true}
services:
  web: {image: busybox, expose: ["8000-8001"]}
  app: {image: busybox, ports: ["18121:8001"], mac_address: "02:00:00:00:00:01"}
  db: {image: busybox, networks: {default: {ipv4_address: 10.5.0.9}}}
  lone: {image: busybox, network_mode: none}
)");
  std::string text = expect(1, {"up", "-d"}).err;
  EXPECT_THAT(text, HasSubstr("compose.yaml:4:34: services.web.expose[0]: port 8001/tcp is service "
                              "app's already, at compose.yaml:5:33"));
  EXPECT_THAT(text, HasSubstr("services.app.mac_address: a pod has one address; remove it"));
  EXPECT_THAT(text, HasSubstr("services.db.networks.default: a pod has one address"));
  EXPECT_THAT(text, HasSubstr("services.lone.network_mode: a pod has one network namespace"));
  EXPECT_TRUE(ps().empty());
}

TEST_F(PodsTest, BothFamilies) {
  pod("true", "networks: {default: {enable_ipv6: true}}\n");
  expect(0, {"up", "-d"});
  EXPECT_THAT(in("app", "ip -6 route"), HasSubstr("default via fd"));
  EXPECT_THAT(in("app", "nslookup -type=aaaa web 127.0.0.11"), HasSubstr("Address: fd"));
  EXPECT_TRUE(eventually([&] { return in("app", "nc -w 1 ::1 80 </dev/null") == "hello\n"; }));
}

}  // namespace
}  // namespace pcompose::test
