#include "scheduler/one_off.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::scheduler {
namespace {

class OneOffTest : public testing::Test {
 protected:
  OneOffTest() {
    project_.name = "shop";
    project_.volumes["data"] = {.key = "data", .name = "shop_data"};
    auto& web = project_.services["web"];
    web.name = "web";
    web.command = std::vector<std::string>{"serve"};
    web.environment = {{"A", "1"}, {"B", "2"}};
    web.ports = {{.published = 80, .target = 80}};
    web.volumes = {{.source = "data", .target = "/data"}};
    web.networks = {{.network = "default", .aliases = {"www"}, .ipv4_address = "10.0.0.2"}};
    web.restart.kind = compose::Restart::always;
    web.container_name = "fixed";
    web.scale = 3;
  }
  compose::Service make() {
    auto lookup = [](std::string_view name) {
      return name == "HOME_TOWN" ? std::optional<std::string>("here") : std::nullopt;
    };
    return one_off(project_, "web", options_, lookup, "0123", "/project");
  }
  compose::Project project_;
  OneOffOptions options_;
};

TEST_F(OneOffTest, KeepsWhatTheServiceIsAndDropsWhatItsReplicasAre) {
  auto s = make();
  EXPECT_EQ(s.container_name, "shop-web-run-0123");
  EXPECT_EQ(s.command, std::vector<std::string>{"serve"});
  EXPECT_EQ(s.scale, 1);
  EXPECT_EQ(s.restart.kind, compose::Restart::no);
  EXPECT_TRUE(s.ports.empty());
  EXPECT_TRUE(s.networks[0].aliases.empty());
  EXPECT_EQ(s.networks[0].ipv4_address, "");
  EXPECT_EQ(s.labels.at(kOneOffLabel), "True");
  EXPECT_TRUE(s.stdin_open);
  EXPECT_FALSE(s.tty);
}

TEST_F(OneOffTest, AnEntrypointDropsTheServicesCommand) {
  options_.entrypoint = "sh -c 'a b'";
  EXPECT_EQ(make().entrypoint, (std::vector<std::string>{"sh", "-c", "a b"}));
  EXPECT_TRUE(make().command->empty());
  options_.entrypoint = "";
  EXPECT_TRUE(make().entrypoint->empty());
  options_.entrypoint = "'open";
  EXPECT_THROW(make(), Error);
}

TEST_F(OneOffTest, VariablesFromFileThenFromTheOption) {
  options_.env_files = {{"vars", "B=file\nC=file\n"}};
  options_.environment = {"C=option", "HOME_TOWN", "A"};
  auto s = make();
  EXPECT_EQ(s.environment.at("B"), "file");
  EXPECT_EQ(s.environment.at("C"), "option");
  EXPECT_EQ(s.environment.at("HOME_TOWN"), "here");
  EXPECT_EQ(s.environment.at("A"), std::nullopt);  // unset here: taken away
  options_.environment = {"=x"};
  EXPECT_THROW(make(), Error);
}

TEST_F(OneOffTest, VolumesReplaceThoseOfTheirTarget) {
  options_.volumes = {"./here:/data:ro", "/cache"};
  auto s = make();
  ASSERT_EQ(s.volumes.size(), 2U);
  EXPECT_EQ(s.volumes[0].type, compose::MountType::bind);
  EXPECT_EQ(s.volumes[0].source, "/project/here");
  EXPECT_TRUE(s.volumes[0].read_only);
  EXPECT_EQ(s.volumes[1].source, "");
  options_.volumes = {"nosuch:/x"};
  EXPECT_THROW(make(), Error);
}

TEST_F(OneOffTest, PortsAndAliasesWhereAskedFor) {
  options_.publish = {"127.0.0.1:8080:80"};
  auto s = make();
  ASSERT_EQ(s.ports.size(), 1U);
  EXPECT_EQ(s.ports[0].published, 8080);
  EXPECT_EQ(s.ports[0].host_ip, "127.0.0.1");
  options_.publish.clear();
  options_.service_ports = options_.use_aliases = true;
  EXPECT_EQ(make().ports.size(), 1U);
  EXPECT_EQ(make().networks[0].aliases, (std::vector<std::string>{"www", "web"}));
  options_.publish = {"x:y"};
  EXPECT_THROW(make(), Error);
}

}  // namespace
}  // namespace pcompose::scheduler
