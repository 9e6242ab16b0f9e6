// Where values came from: config --explain, --variables, --sarif, and the way to a place in errors.
#include <sstream>

#include <gtest/gtest.h>

#include "base/json.h"
#include "compose/config_output.h"
#include "compose/sarif.h"
#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

class Explain : public testing::Test {
 protected:
  std::string config(ConfigOptions config) {
    LoadOptions options = options_in("/p");
    options.environment["HOSTPORT"] = "81";
    std::ostringstream out;
    run_config(options, config, files_, out, warnings_);
    return out.str();
  }
  std::string explain(const std::string& path, ConfigFormat format = ConfigFormat::yaml) {
    return config({.output = ConfigOutput::explain, .format = format, .explain = path});
  }

  std::vector<Diagnostic> warnings_;
  FakeFiles files_{{{"/p/compose.yaml", R"(name: demo
include: [sub/inc.yaml]
x-env: &env {A: "1", B: two}
services:
  web:
    image: "nginx:${TAG:-latest}"
    environment:
      <<: *env
      C:
    env_file: w.env
    ports: ["${HOSTPORT}:80"]
    extends: {file: base.yaml, service: b}
    depends_on: [db]
)"},
                    {"/p/compose.override.yaml", "services: {web: {environment: {B: over}}}\n"},
                    {"/p/base.yaml", "services: {b: {image: old, hostname: h}}\n"},
                    {"/p/sub/inc.yaml", "services:\n  db: {image: pg}\n"},
                    {"/p/.env", "# c\nC=see\n"},
                    {"/p/w.env", "W=w\n"}}};
};

TEST_F(Explain, NamesThePlaceTheTextAndTheVariables) {
  EXPECT_EQ(explain("services.web.image"), R"(services.web.image: "nginx:latest"
    compose.yaml:6:12
    written "nginx:${TAG:-latest}"
    $TAG is not set
    instead of what stands at base.yaml:1:23
    through extends at compose.yaml:12:14
)");
  EXPECT_EQ(explain("services.web.ports[0].published"),
            R"(services.web.ports[0].published: "81"
    compose.yaml:11:13
    written "${HOSTPORT}:80"
    $HOSTPORT is from the environment
)");
}

TEST_F(Explain, FollowsAliasesOverridesIncludesAndEnvFiles) {
  EXPECT_EQ(explain("services.web.environment.A"), R"(services.web.environment.A: "1"
    compose.yaml:3:17
    through the alias at compose.yaml:8:11
)");
  EXPECT_EQ(explain("services.web.environment.B"), R"(services.web.environment.B: "over"
    compose.override.yaml:1:35
    instead of what stands at compose.yaml:3:25
    through the alias at compose.yaml:8:11
)");
  EXPECT_EQ(explain("services.web.environment.C"), R"(services.web.environment.C: "see"
    compose.yaml:9:7
    the value is from .env:2
)");
  EXPECT_EQ(explain("services.web.environment.W"), R"(services.web.environment.W: "w"
    w.env:1:1
    from the env file named at compose.yaml:10:15
)");
  EXPECT_EQ(explain("services.db.image"), R"(services.db.image: "pg"
    sub/inc.yaml:2:15
    through include at compose.yaml:2:11
)");
  EXPECT_EQ(explain("name"), "name: \"demo\"\n    compose.yaml:1:7\n");
}

TEST_F(Explain, AsJson) {
  EXPECT_EQ(json::parse(explain("services.web.environment.B", ConfigFormat::json)),
            json::parse(R"([{"path": "services.web.environment.B", "value": "over",
                             "place": "compose.override.yaml:1:35",
                             "chain": [{"way": "override_by", "place": "compose.yaml:3:25"},
                                       {"way": "alias", "place": "compose.yaml:8:11"}]}])"));
}

TEST_F(Explain, SaysWhatIsThereWhereThePathLeadsNowhere) {
  try {
    explain("services.web.port");
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(
        e.what(),
        "nothing at \"services.web.port\" (services.web has: image, hostname, environment, "
        "ports, depends_on, networks)");
  }
}

TEST_F(Explain, VariablesEnvironmentAndServices) {
  auto variables =
      json::parse(config({.output = ConfigOutput::variables, .format = ConfigFormat::json}));
  EXPECT_EQ(variables.at("TAG").at("DefaultValue"), "latest");
  EXPECT_EQ(variables.at("HOSTPORT").at("Required"), false);
  EXPECT_EQ(config({.output = ConfigOutput::environment}),
            "C=see\nCOMPOSE_PROJECT_NAME=demo\nHOME=/home/u\nHOSTPORT=81\nPWD=/p\n");
  EXPECT_EQ(config({.output = ConfigOutput::services}), "db\nweb\n");
  EXPECT_EQ(config({.output = ConfigOutput::images}), "nginx:latest\npg\n");
}

TEST_F(Explain, ErrorsNameTheIncludeAndExtendsThatLedThere) {
  files_ = FakeFiles({{"/p/compose.yaml",
                       "include: [i.yaml]\nservices:\n  a:\n    extends: "
                       "{file: b.yaml, service: b}\n"},
                      {"/p/i.yaml", "services: {c: {image: x, imge: y}}\n"},
                      {"/p/b.yaml", "services: {b: {image: x, tty: 5}}\n"}});
  try {
    config({});
    FAIL();
  } catch (const ComposeError& e) {
    std::string text = e.what();
    EXPECT_NE(text.find("i.yaml:1:26: services.c.imge: "), std::string::npos) << text;
    EXPECT_NE(text.find("\n    included at compose.yaml:1:11"), std::string::npos) << text;
    EXPECT_NE(text.find("b.yaml:1:31: services.b.tty: "), std::string::npos) << text;
    EXPECT_NE(text.find("\n    extended at compose.yaml:4:14"), std::string::npos) << text;
    auto log = json::parse(sarif_text(e.diagnostics(), "1"));
    const auto& results = log.at("runs").at(0).at("results").as_array();
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].at("level"), "error");
    const auto& place = results[0].at("locations").at(0).at("physicalLocation");
    EXPECT_EQ(place.at("artifactLocation").at("uri"), "i.yaml");
    EXPECT_EQ(place.at("region").at("startColumn"), 26);
    EXPECT_EQ(results[0].at("relatedLocations").at(0).at("message").at("text"), "included at");
  }
}

}  // namespace
}  // namespace pcompose::compose
