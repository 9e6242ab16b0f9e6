// Files to a typed Project: every form of every attribute, and where it came from.
#include "compose/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST(Load, FillsAProject) {
  Project project = load_text("services:\n  web: {image: nginx}\n");
  EXPECT_EQ(project.name, "p");
  EXPECT_EQ(project.working_dir, "/p");
  EXPECT_THAT(project.config_files, ElementsAre("/p/compose.yaml"));
  const Service& web = project.services.at("web");
  EXPECT_EQ(web.image, "nginx");
  ASSERT_THAT(web.networks, SizeIs(1));
  EXPECT_EQ(web.networks[0].network, "default");
  EXPECT_EQ(project.networks.at("default").name, "p_default");
  EXPECT_EQ(web.position.str(), "compose.yaml:2:3");
}

TEST(Load, Commands) {
  Service a = load_service("    command: sh -c 'a b'\n    entrypoint: [x, y]\n");
  EXPECT_THAT(*a.command, ElementsAre("sh", "-c", "a b"));
  EXPECT_THAT(*a.entrypoint, ElementsAre("x", "y"));
  Service b = load_service("    command:\n    entrypoint: []\n");
  EXPECT_EQ(b.command, std::nullopt);
  EXPECT_TRUE(b.entrypoint->empty());
}

TEST(Load, EnvironmentInBothForms) {
  Service a = load_service("    environment:\n      - A=1.10\n      - B\n      - C=\n");
  EXPECT_THAT(a.environment,
              UnorderedElementsAre(Pair("A", "1.10"), Pair("B", std::nullopt), Pair("C", "")));
  Service b = load_service("    environment: {A: 1.10, B: null, C: true}\n");
  EXPECT_THAT(b.environment,
              UnorderedElementsAre(Pair("A", "1.1"), Pair("B", std::nullopt), Pair("C", "true")));
}

TEST(Load, BareNamesComeFromTheProjectsEnvironment) {
  Project p = load_text("services: {a: {image: x, environment: [B]}}\n", {{"B", "out"}});
  EXPECT_EQ(p.services.at("a").environment.at("B"), "out");
}

TEST(Load, EnvFilesLieBelowEnvironment) {
  FakeFiles files(
      {{"/p/compose.yaml",
        "services:\n  a:\n    image: x\n    env_file:\n      - one.env\n"
        "      - {path: none.env, required: false}\n      - {path: raw.env, format: raw}\n"
        "    environment: {C: mine}\n"},
       {"/p/one.env", "A=1\nC=file\nD=${C}\n"},
       {"/p/raw.env", "B=\"q\"\n"}});
  Service a = load(options_in("/p"), files).services.at("a");
  EXPECT_THAT(a.environment, UnorderedElementsAre(Pair("A", "1"), Pair("B", "\"q\""),
                                                  Pair("C", "mine"), Pair("D", "mine")));
  EXPECT_EQ(a.origin("environment.A").str(), "one.env:1:1");
}

TEST(Load, Ports) {
  Service a = load_service(
      "    ports:\n      - 80\n      - '8000-8001:9000-9001/udp'\n      - '7000-7009:70'\n"
      "      - {target: 443, published: 8443, host_ip: 127.0.0.1}\n");
  ASSERT_THAT(a.ports, SizeIs(5));
  EXPECT_EQ(a.ports[0].target, 80);
  EXPECT_EQ(a.ports[0].published, std::nullopt);
  EXPECT_EQ(a.ports[2].published, 8001);
  EXPECT_EQ(a.ports[2].target, 9001);
  EXPECT_EQ(a.ports[2].protocol, "udp");
  EXPECT_EQ(a.ports[3].published, 7000);
  EXPECT_EQ(a.ports[3].published_end, 7009);
  EXPECT_EQ(a.ports[4].host_ip, "127.0.0.1");
  EXPECT_EQ(a.ports[4].position.line, 8);
}

TEST(Load, Mounts) {
  Project p = load_text(
      "services:\n  a:\n    image: x\n    tmpfs: ['/run:size=64m,mode=1770,ro']\n    volumes:\n"
      "      - data:/data:ro\n      - ./src/../lib:/lib:rslave\n      - ~/h:/h\n      - /anon\n"
      "      - {type: bind, source: ./b, target: /b/, bind: {create_host_path: false}}\n"
      "      - {type: volume, source: data, target: /d2, volume: {nocopy: true}}\n"
      "      - {type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 01777}}\n"
      "volumes: {data: }\n");
  const auto& v = p.services.at("a").volumes;
  ASSERT_THAT(v, SizeIs(8));
  EXPECT_EQ(v[0].source, "data");
  EXPECT_TRUE(v[0].read_only);
  EXPECT_EQ(v[1].source, "/p/lib");
  EXPECT_EQ(v[1].propagation, "rslave");
  EXPECT_EQ(v[2].source, "/home/u/h");
  EXPECT_EQ(v[3].source, "");
  EXPECT_EQ(v[4].target, "/b");
  EXPECT_FALSE(v[4].create_host_path);
  EXPECT_TRUE(v[5].nocopy);
  EXPECT_EQ(v[6].tmpfs_size, 1 << 20);
  EXPECT_EQ(v[6].tmpfs_mode, 01777U);
  EXPECT_EQ(v[7].type, MountType::tmpfs);
  EXPECT_EQ(v[7].tmpfs_mode, 01770U);
  EXPECT_TRUE(v[7].read_only);
  EXPECT_EQ(p.volumes.at("data").name, "p_data");
}

TEST(Load, NetworksAndDependencies) {
  Project p = load_text(
      "services:\n  a:\n    image: x\n    networks: {n: {aliases: [y], ipv4_address: 10.5.0.9}, "
      "default: }\n"
      "    depends_on: {b: {condition: service_healthy, restart: true}, c: {condition: "
      "service_started, required: false}}\n"
      "  b: {image: x, network_mode: none, depends_on: [d]}\n  d: {image: x}\n"
      "networks: {n: {internal: true, ipam: {config: [{subnet: 10.5.0.0/16, gateway: 10.5.0.1}]}, "
      "labels: [l=1]}, u: }\n");
  const Service& a = p.services.at("a");
  EXPECT_EQ(a.networks[0].ipv4_address, "10.5.0.9");
  EXPECT_THAT(a.networks[0].aliases, ElementsAre("y"));
  ASSERT_THAT(a.depends_on, SizeIs(1));  // c is neither there nor required
  EXPECT_EQ(a.depends_on[0].condition, Condition::service_healthy);
  EXPECT_TRUE(a.depends_on[0].restart);
  EXPECT_THAT(p.warnings, SizeIs(1));
  EXPECT_TRUE(p.services.at("b").networks.empty());
  EXPECT_EQ(p.networks.at("n").subnet, "10.5.0.0/16");
  EXPECT_TRUE(p.networks.at("n").internal);
  EXPECT_FALSE(p.networks.contains("u"));
}

TEST(Load, HealthAndRestart) {
  Service a = load_service(
      "    healthcheck: {test: curl x, interval: 1m30s, timeout: 500ms, retries: 5, start_period: "
      "1s}\n"
      "    restart: on-failure:3\n    stop_grace_period: 1m\n");
  EXPECT_THAT(a.healthcheck->test, ElementsAre("CMD-SHELL", "curl x"));
  EXPECT_EQ(a.healthcheck->interval, Milliseconds(90000));
  EXPECT_EQ(a.healthcheck->timeout, Milliseconds(500));
  EXPECT_EQ(a.healthcheck->retries, 5);
  EXPECT_EQ(a.healthcheck->start_interval, std::nullopt);
  EXPECT_EQ(a.restart.kind, Restart::on_failure);
  EXPECT_EQ(a.restart.max_retries, 3);
  EXPECT_EQ(a.stop_grace_period, Milliseconds(60000));
  EXPECT_TRUE(load_service("    healthcheck: {test: [NONE]}\n").healthcheck->disabled);
  EXPECT_EQ(load_service("    restart: no\n").restart.kind, Restart::no);
  EXPECT_EQ(load_service("    restart: false\n").restart.kind, Restart::no);
}

TEST(Load, KeepsTheOriginOfEveryLeaf) {
  Service a = load_service(
      "    environment:\n      DEBUG: 1\n    ports:\n      - 80\n    command: x\n"
      "    healthcheck:\n      test: t\n      interval: 1s\n    volumes:\n      - /v\n      - "
      "/w\n");
  EXPECT_EQ(a.origin("image").str(), "compose.yaml:3:12");
  EXPECT_EQ(a.origin("environment.DEBUG").str(), "compose.yaml:5:14");
  EXPECT_EQ(a.origin("ports[0]").str(), "compose.yaml:7:9");
  EXPECT_EQ(a.origin("ports[0].target").str(), "compose.yaml:7:9");
  EXPECT_EQ(a.origin("command").str(), "compose.yaml:8:14");
  EXPECT_EQ(a.origin("healthcheck.interval").str(), "compose.yaml:11:17");
  EXPECT_EQ(a.origin("volumes[1]").str(), "compose.yaml:14:9");
  EXPECT_EQ(a.origin("user").str(), "compose.yaml:2:3");
}

TEST(Load, ProfilesDivideTheServices) {
  std::string text =
      "services:\n  a: {image: x}\n  b: {image: x, profiles: [p], volumes: ['vol:/v']}\n  c: "
      "{image: x, profiles: [q]}\n"
      "volumes: {vol: }\n";
  FakeFiles files({{"/p/compose.yaml", text}});
  Project none = load(options_in("/p"), files);
  EXPECT_THAT(none.services, SizeIs(1));
  EXPECT_THAT(none.disabled_services, SizeIs(2));
  EXPECT_TRUE(none.volumes.empty());
  LoadOptions named = options_in("/p");
  named.services = {"b"};
  Project one = load(named, files);
  EXPECT_TRUE(one.services.contains("b"));
  EXPECT_TRUE(one.volumes.contains("vol"));
  LoadOptions all = options_in("/p");
  all.environment["COMPOSE_PROFILES"] = "*";
  EXPECT_THAT(load(all, files).services, SizeIs(3));
}

}  // namespace
}  // namespace pcompose::compose
