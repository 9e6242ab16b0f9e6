// Commands for containers that exist, and those that only look.
#include "base/process.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class CommandsTest : public StackTest {
 protected:
  std::string id(const std::string& service) {
    return std::string(ps()[service].at("ID").as_string());
  }
};

constexpr const char* kPair = R"(services:
  db: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
  web:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    depends_on: {db: {condition: service_started, restart: true}}
)";

TEST_F(CommandsTest, StopStartRestartKeepTheContainer) {
  compose(kPair);
  expect(0, {"up", "-d"});
  std::string web = id("web");
  expect(0, {"stop", "web"});
  EXPECT_EQ(state("web"), "exited");
  EXPECT_EQ(state("db"), "running");
  expect(0, {"start", "web"});
  EXPECT_EQ(state("web"), "running");
  // The dependent follows because it says so.
  Result restart = expect(0, {"restart", "db"});
  EXPECT_NE(restart.err.find("web-1 Started"), std::string::npos) << restart.err;
  restart = expect(0, {"restart", "--no-deps", "db"});
  EXPECT_EQ(restart.err.find("web-1"), std::string::npos) << restart.err;
  EXPECT_EQ(id("web"), web);
  EXPECT_EQ(state("web"), "running");
  Result unknown = expect(1, {"restart", "wbe"});
  EXPECT_NE(unknown.err.find("no such service: wbe"), std::string::npos);
}

TEST_F(CommandsTest, PsHasTheLabelsOfDockerCompose) {
  compose(kPair);
  expect(0, {"up", "-d"});
  auto label = [&](const std::string& name) {
    return expect(0, {"ps", "--format", "{{.Label \"com.docker.compose." + name + "\"}}", "web"})
        .out;
  };
  EXPECT_EQ(label("service") + label("oneoff") + label("container-number"), "web\nFalse\n1\n");
  EXPECT_EQ(label("depends_on"), "db:service_started:true\n");
  EXPECT_EQ(label("project.config_files"), file("compose.yaml") + "\n");
  EXPECT_EQ("web " + label("config-hash"), expect(0, {"config", "--hash", "web"}).out);
  EXPECT_TRUE(label("image").starts_with("sha256:")) << label("image");
}

TEST_F(CommandsTest, CreateStartsNothingAndStartNeedsAContainer) {
  compose(kPair);
  expect(0, {"create", "db"});
  EXPECT_EQ(state("db"), "created");
  Result missing = expect(1, {"start", "web"});
  EXPECT_NE(missing.err.find("service \"web\" has no container to start"), std::string::npos);
  expect(0, {"start", "--wait", "db"});
  EXPECT_EQ(state("db"), "running");
}

TEST_F(CommandsTest, KillSendsAnySignalAndEndsRestarts) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'trap "echo usr1" USR1; echo ready; while :; do sleep 0.05; done'
    restart: always
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 1; }));
  expect(0, {"kill", "-s", "USR1", "w"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() == 2; }));
  EXPECT_EQ(state("w"), "running");
  expect(0, {"kill"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 137);
  Result none = expect(0, {"kill"});
  EXPECT_NE(none.err.find("no container to kill"), std::string::npos) << none.err;
}

TEST_F(CommandsTest, PauseFreezesAndDownThaws) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'n=0; while :; do n=$$((n+1)); echo $$n; sleep 0.02; done'
    stop_grace_period: 0s
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return lines("w").size() > 3; }));
  expect(0, {"pause"});
  EXPECT_EQ(state("w"), "paused");
  EXPECT_NE(ps()["w"].at("Status").as_string().find("(Paused)"), std::string::npos);
  ::usleep(100000);
  size_t frozen = lines("w").size();
  ::usleep(200000);
  EXPECT_EQ(lines("w").size(), frozen);
  expect(1, {"exec", "-T", "w", "true"});
  expect(0, {"unpause"});
  EXPECT_TRUE(eventually([&] { return lines("w").size() > frozen; }));
  expect(0, {"pause"});
  expect(0, {"stop"});
  EXPECT_EQ(state("w"), "exited");
  expect(0, {"start"});
  expect(0, {"pause"});
  expect(0, {"up", "-d"});
  EXPECT_EQ(state("w"), "running") << "up thaws";
  expect(0, {"pause"});
  expect(0, {"down"});
}

TEST_F(CommandsTest, RmRemovesWhatIsStopped) {
  compose(kPair);
  expect(0, {"up", "-d"});
  EXPECT_NE(expect(0, {"rm", "-f"}).err.find("No stopped containers"), std::string::npos);
  expect(0, {"stop", "web"});
  Result asked = expect(0, {"rm"}, "n\n");
  EXPECT_NE(asked.out.find("Going to remove "), std::string::npos) << asked.out;
  EXPECT_EQ(state("web"), "exited");
  expect(0, {"rm"}, "y\n");
  EXPECT_EQ(ps().size(), 1U);
  expect(0, {"rm", "-sf"});
  EXPECT_TRUE(ps().empty());
}

TEST_F(CommandsTest, ScaleChangesTheNumberOfContainers) {
  compose(kPair);
  expect(0, {"up", "-d", "--scale", "db=2"});
  EXPECT_EQ(expect(0, {"ps", "-q", "db"}).out.size(), 2U * 65U);
  expect(0, {"scale", "db=3", "web=0"});
  EXPECT_EQ(expect(0, {"ps", "-q", "db"}).out.size(), 3U * 65U);
  EXPECT_EQ(expect(0, {"ps", "-q", "web"}).out, "");
  Result bad = expect(1, {"scale", "dbb=3"});
  EXPECT_NE(bad.err.find("no such service: dbb"), std::string::npos) << bad.err;
}

TEST_F(CommandsTest, PortTopLsVolumesAndWaitLook) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'sleep 1.5; exit 4'
    ports: ["127.0.0.1::80"]
    volumes: [data:/data]
volumes: {data: }
)");
  expect(0, {"up", "-d"});
  auto list = json::parse(expect(0, {"ls", "--format", "json"}).out);
  std::string name(list.at(0).at("Name").as_string());
  std::string address = expect(0, {"port", "w", "80"}).out;
  EXPECT_TRUE(address.starts_with("127.0.0.1:") && address.size() > 11) << address;
  Result none = expect(1, {"port", "w", "81"});
  EXPECT_NE(none.err.find("no port 81/tcp for container " + name + "-w-1: 127.0.0.1:"),
            std::string::npos)
      << none.err;
  std::string top = expect(0, {"top"}).out;
  EXPECT_NE(top.find(name + "-w-1\nUID"), std::string::npos) << top;
  EXPECT_NE(top.find("sleep 1.5"), std::string::npos) << top;
  EXPECT_NE(expect(0, {"ls"}).out.find("running(1)"), std::string::npos);
  EXPECT_EQ(expect(0, {"volumes", "-q"}).out, name + "_data\n");
  Result wait = expect(4, {"wait", "w"});
  EXPECT_NE(wait.out.find("exited with status code 4"), std::string::npos) << wait.out;
  EXPECT_EQ(expect(0, {"ls", "-q"}).out, "");
  EXPECT_EQ(expect(0, {"ls", "-aq"}).out, name + "\n");
  expect(1, {"wait", "w"});
  expect(0, {"down", "-v"});
}

TEST_F(CommandsTest, VolumesOfAServiceAreThoseOfItsContainers) {
  compose(R"(services:
  a: {image: busybox, command: sleep 1000, stop_grace_period: 0s, volumes: ['one:/one', /anon]}
  b: {image: busybox, command: sleep 1000, stop_grace_period: 0s, volumes: ['two:/two']}
volumes: {one: {name: first}, two: {name: second}}
)");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"volumes", "-q", "b"}).out, "second\n");
  std::string of_a = expect(0, {"volumes", "-q", "a"}).out;
  EXPECT_EQ(std::count(of_a.begin(), of_a.end(), '\n'), 2) << of_a;
  EXPECT_EQ(of_a.find("second"), std::string::npos) << of_a;
  EXPECT_EQ(ps()["a"].at("LocalVolumes").as_string(), "2");
  EXPECT_NE(expect(0, {"images"}).out.find("CREATED"), std::string::npos);
  EXPECT_NE(expect(1, {"port", "--index", "4", "a", "80"}).err.find("not running container #4"),
            std::string::npos);
}

TEST_F(CommandsTest, AllResourcesMakesWhatNoServiceUses) {
  compose("volumes: {v: {}}\nnetworks: {n: {}}\n");
  EXPECT_NE(expect(1, {"up"}).err.find("no service selected"), std::string::npos);
  std::string err = expect(0, {"--all-resources", "up"}).err;
  EXPECT_NE(err.find("_v Created"), std::string::npos) << err;
  EXPECT_NE(err.find("_n Created"), std::string::npos) << err;
  expect(0, {"--all-resources", "down", "-v"});
}

TEST_F(CommandsTest, CompatibilityNamesContainersAsVersionOneDid) {
  compose("services:\n  w: {image: busybox, command: sh -c 'echo hello; exec sleep 1000'}\n");
  expect(0, {"--compatibility", "up", "-d"});
  EXPECT_NE(expect(0, {"ps"}).out.find("_w_1 "), std::string::npos);
  ASSERT_TRUE(eventually([&] { return !lines("w").empty(); }));
  EXPECT_EQ(expect(0, {"logs"}).out, "w_1  | hello\n");
  expect(0, {"down"});
  write(".env", "COMPOSE_COMPATIBILITY=true\n");
  expect(0, {"up", "-d"});
  EXPECT_NE(expect(0, {"ps"}).out.find("_w_1 "), std::string::npos);
}

TEST_F(CommandsTest, SettingsMayStandInTheEnvFile) {
  compose("services: {gone: {image: busybox, command: sleep 1000}}\n");
  expect(0, {"up", "-d"});
  compose("services: {w: {image: busybox, command: sleep 1000}}\n");
  write(".env", "COMPOSE_REMOVE_ORPHANS=true\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(state("gone"), "");
  EXPECT_EQ(state("w"), "running");
}

TEST_F(CommandsTest, FlagsBeforeTheCommand) {
  compose("services: {w: {image: busybox, command: sleep 1000, scale: 3}}\n");
  expect(0, {"--parallel", "1", "--no-ansi", "up", "-d"});
  write(".env", "COMPOSE_PARALLEL_LIMIT=few\n");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("must be an integer (found: \"few\")"),
            std::string::npos);
  EXPECT_NE(expect(1, {"--parallel", "many", "up", "-d"}).err.find("--parallel"),
            std::string::npos);
  write(".env", "COMPOSE_PARALLEL_LIMIT=2\n");
  expect(0, {"up", "-d", "--force-recreate"});
  EXPECT_NE(expect(0, {"--verbose", "restart"}).err.find("{\"operation\":"), std::string::npos);
  EXPECT_EQ(expect(0, {"-v"}).out, expect(0, {"version"}).out);
  EXPECT_EQ(expect(0, {"--version"}).out, expect(0, {"version"}).out);
}

}  // namespace
}  // namespace pcompose::test
