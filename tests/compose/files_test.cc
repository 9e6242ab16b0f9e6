// Which files are read, what the project is called, and how several files become one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compose/load.h"
#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const std::string kOne = "services: {a: {image: one}}\n";

TEST(Files, AreSearchedUpwardsWithOneOverride) {
  FakeFiles files({{"/w/p/compose.yml", kOne},
                   {"/w/p/docker-compose.yml", "services: {b: {image: b}}\n"},
                   {"/w/p/docker-compose.override.yml", "services: {a: {hostname: h}}\n"}});
  Project p = load(options_in("/w/p/sub/deep"), files);
  EXPECT_THAT(p.config_files, ElementsAre("/w/p/compose.yml", "/w/p/docker-compose.override.yml"));
  EXPECT_EQ(p.working_dir, "/w/p");
  EXPECT_EQ(p.services.at("a").hostname, "h");
  ASSERT_THAT(p.warnings, SizeIs(1));
  EXPECT_THAT(p.warnings[0].message, HasSubstr("several compose files"));
}

TEST(Files, NoneIsAnErrorWithItsOwnExitCode) {
  try {
    (void)load(options_in("/w"), FakeFiles());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no configuration file provided"));
    EXPECT_EQ(error.exit_code(), 14);
  }
}

TEST(Files, ComeFromTheEnvironmentAndDotenv) {
  FakeFiles files({{"/p/.env", "COMPOSE_FILE=x.yaml;y.yaml\nCOMPOSE_PATH_SEPARATOR=;\nTAG=dot\n"},
                   {"/p/x.yaml", "services: {a: {image: 'i:${TAG}'}}\n"},
                   {"/p/y.yaml", "services: {a: {user: '${U}'}}\n"}});
  LoadOptions options = options_in("/p");
  options.environment["U"] = "os";
  Project p = load(options, files);
  EXPECT_EQ(p.services.at("a").image, "i:dot");
  EXPECT_EQ(p.services.at("a").user, "os");
}

TEST(Files, TheProcessBeatsEnvFilesAndLaterOnesBeatEarlier) {
  FakeFiles files({{"/p/compose.yaml", "services: {a: {image: '${A}-${B}-${C}'}}\n"},
                   {"/p/.env", "A=never\nC=never\n"},
                   {"/p/1.env", "A=1\nB=1\nC=1\n"},
                   {"/p/2.env", "B=2${A}\nC=2\n"}});
  LoadOptions options = options_in("/p");
  options.env_files = {"1.env", "2.env"};
  options.environment["C"] = "os";
  EXPECT_EQ(load(options, files).services.at("a").image, "1-21-os");
  options.env_files = {"gone.env"};
  EXPECT_THROW((void)load(options, files), Error);
}

TEST(Files, TheProjectsName) {
  FakeFiles files({{"/My Dir/compose.yaml", "services: {a: {image: '${COMPOSE_PROJECT_NAME}'}}\n"},
                   {"/My Dir/named.yaml", "name: In File\nservices: {a: {image: x}}\n"}});
  LoadOptions options = options_in("/My Dir");
  EXPECT_EQ(load(options, files).services.at("a").image, "mydir");
  options.files = {"named.yaml"};
  EXPECT_EQ(load(options, files).name, "infile");
  options.environment["COMPOSE_PROJECT_NAME"] = "env";
  EXPECT_EQ(load(options, files).name, "env");
  options.project_name = "flag";
  EXPECT_EQ(load(options, files).name, "flag");
  options.project_name = "Bad.Name";
  EXPECT_THROW((void)load(options, files), Error);
}

Project merged(const std::string& base, const std::string& over) {
  LoadOptions options = options_in("/p");
  options.files = {"base.yaml", "sub/over.yaml"};
  return load(options, FakeFiles({{"/p/base.yaml", base}, {"/p/sub/over.yaml", over}}));
}

TEST(Merge, ByTheRulesOfEachAttribute) {
  Project p = merged(
      "services:\n  a:\n    image: one\n    command: [x]\n    environment: [A=1, B=2]\n    ports: "
      "['80:80']\n"
      "    volumes: ['./x:/x', './y:/y']\n    expose: ['1']\n    labels: {k: v}\n    depends_on: "
      "[b]\n  b: {image: b}\n",
      "services:\n  a:\n    image: two\n    command: [y, z]\n    environment: {B: 3, C: 4}\n    "
      "ports: ['80:80', '81:80']\n"
      "    volumes: ['./z:/x']\n    expose: ['1', '2']\n    labels: [l]\n    depends_on: {b: "
      "{condition: service_healthy}}\n");
  const Service& a = p.services.at("a");
  EXPECT_EQ(a.image, "two");
  EXPECT_THAT(*a.command, ElementsAre("y", "z"));
  EXPECT_THAT(a.environment, UnorderedElementsAre(Pair("A", "1"), Pair("B", "3"), Pair("C", "4")));
  EXPECT_THAT(a.ports, SizeIs(2));
  ASSERT_THAT(a.volumes, SizeIs(2));
  EXPECT_EQ(a.volumes[0].source, "/p/z");  // relative to the first file
  EXPECT_THAT(a.expose, ElementsAre("1", "2"));
  EXPECT_THAT(a.labels, UnorderedElementsAre(Pair("k", "v"), Pair("l", "")));
  EXPECT_EQ(a.depends_on.at(0).condition, Condition::service_healthy);
  EXPECT_EQ(a.origin("image").str(), "sub/over.yaml:3:12");
}

TEST(Merge, ResetAndOverride) {
  Project p = merged(
      "services:\n  a:\n    image: x\n    ports: ['80:80']\n    environment: {A: 1, B: 2}\n    "
      "command: [x]\n"
      "    user: u\n  gone: {image: x}\n",
      "services:\n  a:\n    ports: !override ['81:81']\n    environment: {A: !reset null}\n    "
      "command: !reset null\n"
      "    user: !reset\n  gone: !reset null\n");
  const Service& a = p.services.at("a");
  ASSERT_THAT(a.ports, SizeIs(1));
  EXPECT_EQ(a.ports[0].target, 81);
  EXPECT_THAT(a.environment, UnorderedElementsAre(Pair("B", "2")));
  EXPECT_EQ(a.command, std::nullopt);
  EXPECT_EQ(a.user, "");
  EXPECT_FALSE(p.services.contains("gone"));
}

TEST(Extends, TakesTheBaseBelowTheService) {
  FakeFiles files(
      {{"/p/compose.yaml",
        "services:\n  a: {extends: {file: lib/base.yaml, service: mid}, environment: {B: a}}\n"
        "  b: {extends: a, command: [b]}\n"},
       {"/p/lib/base.yaml",
        "services:\n  mid: {extends: low, environment: {B: mid, C: mid}}\n"
        "  low: {image: low, volumes: ['./v:/v'], command: [low]}\nnot: checked\n"}});
  Project p = load(options_in("/p"), files);
  EXPECT_EQ(p.services.at("a").image, "low");
  EXPECT_EQ(p.services.at("a").volumes.at(0).source, "/p/lib/v");
  EXPECT_THAT(p.services.at("b").environment,
              UnorderedElementsAre(Pair("B", "a"), Pair("C", "mid")));
  EXPECT_THAT(*p.services.at("b").command, ElementsAre("b"));
  EXPECT_EQ(p.services.at("b").origin("image").str(), "lib/base.yaml:3:16");
}

TEST(Include, IsAProjectOfItsOwn) {
  FakeFiles files(
      {{"/p/compose.yaml",
        "include: [sub/c.yaml]\nservices: {a: {image: a, depends_on: [s]}, s: {user: u}}\n"},
       {"/p/sub/.env", "T=sub\n"},
       {"/p/sub/c.yaml", "services: {s: {image: 's:${T}', volumes: ['./d:/d']}}\n"}});
  Project p = load(options_in("/p"), files);
  EXPECT_EQ(p.services.at("s").image, "s:sub");
  EXPECT_EQ(p.services.at("s").user, "u");
  EXPECT_EQ(p.services.at("s").volumes.at(0).source, "/p/sub/d");
  EXPECT_EQ(p.networks.at("default").name, "p_default");
}

// As docker compose: an include's variables are known to its files alone.
TEST(Include, GivesItsVariablesToBareNamesAndMaterials) {
  FakeFiles files({{"/p/compose.yaml",
                    "include: [{path: sub/c.yaml, env_file: [x.env]}]\n"
                    "services: {a: {image: a, environment: [V]}}\n"},
                   {"/p/x.env", "V=x\nH=x\n"},
                   {"/p/sub/w.env", "W=w$V\n"},
                   {"/p/sub/c.yaml",
                    "services: {s: {image: s, environment: [V, H], env_file: w.env, "
                    "secrets: [t], configs: [t]}}\n"
                    "secrets: {t: {environment: V}}\nconfigs: {t: {environment: H}}\n"}});
  LoadOptions options = options_in("/p");
  options.environment["H"] = "os";
  Project p = load(options, files);
  EXPECT_THAT(p.services.at("s").environment,
              UnorderedElementsAre(Pair("V", "x"), Pair("W", "wx"), Pair("H", "os")));
  EXPECT_THAT(p.services.at("a").environment, ElementsAre(Pair("V", std::nullopt)));
  EXPECT_THAT(p.from_environment,
              UnorderedElementsAre(Pair("secrets.t", "x"), Pair("configs.t", "os")));
}

// Loads /p/compose.yaml for one service; "" is all.
Project load_for(const std::string& service, const std::string& text) {
  LoadOptions options = options_in("/p");
  if (!service.empty()) options.services = {service};
  return load(options, FakeFiles({{"/p/compose.yaml", text}}));
}

TEST(Selection, AnEnvFileIsMissedByWhoNeedsItOnly) {
  const std::string text =
      "services: {a: {image: a}, b: {image: b, env_file: gone.env}, c: {image: c, links: [b]}}\n";
  Project p = load_for("a", text);
  ASSERT_EQ(p.warnings.size(), 1U);
  EXPECT_THAT(p.warnings[0].str(), HasSubstr("env file /p/gone.env not found"));
  for (const char* service : {"b", "c", ""})
    EXPECT_THROW((void)load_for(service, text), ComposeError) << service;
  LoadOptions options = options_in("/p");
  options.resolve_environment = false;
  EXPECT_TRUE(load(options, FakeFiles({{"/p/compose.yaml", text}})).warnings.empty());
}

TEST(Selection, WhatIsNotSupportedIsRefusedWhereItIsNeededOnly) {
  const std::string text =
      "services:\n  a: {image: a}\n  b: {build: .}\n"
      "  c: {image: c, depends_on: [b]}\n  d: {build: ., profiles: [x]}\n";
  Project p = load_for("a", text);
  ASSERT_EQ(p.warnings.size(), 1U);
  EXPECT_THAT(p.warnings[0].str(), HasSubstr("services.b.build"));
  for (const char* service : {"b", "c", "d", ""})
    EXPECT_THROW((void)load_for(service, text), ComposeError) << service;
  EXPECT_TRUE(
      load_for("", "services: {a: {image: a}, d: {build: ., profiles: [x]}}\n").warnings.empty());
}

TEST(Files, ProfilesOfTheEnvironmentMayHaveBlanks) {
  LoadOptions options = options_in("/p");
  options.environment["COMPOSE_PROFILES"] = "x, y, ";
  FakeFiles files({{"/p/compose.yaml", kOne}});
  EXPECT_THAT(load(options, files).profiles, ElementsAre("x", "y"));
}

TEST(Merge, WhatALaterFileTakesOutNeedNotBeSupported) {
  FakeFiles files(
      {{"/p/compose.yaml", "services:\n  a:\n    build:\n      context: .\n"},
       {"/p/compose.override.yaml", "services: {a: {image: a, build: !reset null}}\n"}});
  EXPECT_TRUE(load(options_in("/p"), files).warnings.empty());
}

}  // namespace
}  // namespace pcompose::compose
