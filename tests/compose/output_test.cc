// The JSON form, the text of `config`, and the hash of a service.
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compose/config_hash.h"
#include "compose/config_output.h"
#include "compose/json.h"
#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

using testing::HasSubstr;

const std::string kEverything =
    "name: full\nservices:\n  a:\n    image: x\n    container_name: cc\n    command: [c]\n    "
    "entrypoint: []\n"
    "    environment: {A: 1, B: }\n    ports: ['127.0.0.1:80:80/udp', '90-99:9']\n    expose: "
    "['1/udp']\n"
    "    volumes: ['data:/d:ro', './b:/b', {type: tmpfs, target: /t, tmpfs: {size: 1k, mode: "
    "0700}}]\n"
    "    networks: {n: {aliases: [z], ipv4_address: 10.0.0.9}}\n    depends_on: {b: {condition: "
    "service_healthy}}\n"
    "    healthcheck: {test: t, interval: 1s, retries: 2}\n    restart: on-failure:2\n    init: "
    "true\n    tty: true\n"
    "    stdin_open: true\n    read_only: true\n    user: u\n    working_dir: /w\n    hostname: h\n"
    "    stop_signal: SIGINT\n    stop_grace_period: 3s\n    labels: {l: m}\n"
    "  b: {image: y, network_mode: host, scale: 3}\n  off: {image: z, profiles: [p]}\n"
    "networks: {n: {internal: true, ipam: {config: [{subnet: 10.0.0.0/8}]}}}\nvolumes: {data: "
    "{name: "
    "real}}\n";

TEST(Json, RoundTripLosesNothing) {
  Project project = load_text(kEverything);
  json::value first = to_json(project);
  Project copy = project_from_json(json::parse(json::serialize(first)));
  EXPECT_EQ(json::serialize(to_json(copy)), json::serialize(first));
  const Service& a = copy.services.at("a");
  EXPECT_EQ(a.origin("environment.A").str(), "compose.yaml:8:22");
  EXPECT_EQ(a.environment.at("B"), std::nullopt);
  EXPECT_TRUE(a.entrypoint && a.entrypoint->empty());
  EXPECT_EQ(a.ports[1].published_end, 99);
  EXPECT_EQ(a.healthcheck->interval, Milliseconds(1000));
  EXPECT_EQ(copy.services.at("b").scale, 3);
  EXPECT_TRUE(copy.disabled_services.contains("off"));
  EXPECT_EQ(copy.volumes.at("data").name, "real");
}

TEST(Json, NamesAFieldOfTheWrongType) {
  try {
    (void)project_from_json(json::parse(R"({"services": {"a": {"scale": "x"}}})"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("field 'scale'"));
  }
  EXPECT_THROW((void)project_from_json(json::parse("[]")), Error);
  EXPECT_EQ(project_from_json(json::parse(R"({"name": "n", "later": 1})")).name, "n");
}

std::string config(const std::string& text, const ConfigOptions& options) {
  std::ostringstream out;
  std::vector<Diagnostic> warnings;
  run_config(options_in("/p"), options, FakeFiles({{"/p/compose.yaml", text}}), out, warnings);
  return out.str();
}

TEST(Config, Yaml) {
  std::string text =
      "services:\n  a:\n    image: x\n    command: [a, 'b c', '', 'yes', '1']\n    labels: {l: 'a: "
      "$$b'}\n"
      "    ports: ['80:80']\nx-e: {k: [1, true, null]}\n";
  EXPECT_EQ(
      config(text, {}),
      "name: p\nservices:\n  a:\n    command:\n      - a\n      - b c\n      - \"\"\n      - "
      "\"yes\"\n"
      "      - \"1\"\n    image: x\n    labels:\n      l: \"a: $$b\"\n    networks:\n      "
      "default: null\n"
      "    ports:\n      - mode: ingress\n        target: 80\n        published: \"80\"\n        "
      "protocol: tcp\n"
      "networks:\n  default:\n    name: p_default\nx-e:\n  k:\n    - 1\n    - true\n    - null\n");
}

TEST(Config, AttributesStandInTheOrderOfDockerCompose) {
  EXPECT_EQ(config("services:\n  a:\n    env_file: []\n    environment: {B: '1', A: '2'}\n    "
                   "healthcheck: {retries: 2, interval: 1s, test: t}\n    image: x\n    "
                   "profiles: [p]\n    network_mode: none\n    cpu_shares: 3\n    command: c\n",
                   {.services = {"a"}}),
            "name: p\nservices:\n  a:\n    profiles:\n      - p\n    cpu_shares: 3\n    command:\n"
            "      - c\n    environment:\n      A: \"2\"\n      B: \"1\"\n    healthcheck:\n      "
            "test:\n        - CMD-SHELL\n        - t\n      interval: 1s\n      retries: 2\n    "
            "image: x\n    network_mode: none\n");
}

TEST(Config, ReadsItsOwnYaml) {
  std::string once = config(kEverything, {});
  EXPECT_EQ(config(once, {}), once);
}

TEST(Config, JsonAndLists) {
  ConfigOptions options;
  options.format = ConfigFormat::json;
  EXPECT_EQ(json::parse(config(kEverything, options))
                .at("services")
                .at("a")
                .at("ports")
                .as_array()
                .size(),
            2U);
  options.output = ConfigOutput::services;
  EXPECT_EQ(config(kEverything, options), "b\na\n") << "a depends on b";
  options.output = ConfigOutput::volumes;
  EXPECT_EQ(config(kEverything, options), "data\n");
  options.output = ConfigOutput::images;
  EXPECT_EQ(config(kEverything, options), "x\ny\n");
  options.output = ConfigOutput::profiles;
  EXPECT_EQ(config(kEverything, options), "p\n");
  options.output = ConfigOutput::quiet;
  EXPECT_EQ(config(kEverything, options), "");
  options.output = ConfigOutput::services;
  options.services = {"b"};
  EXPECT_EQ(config(kEverything, options), "b\n");
}

TEST(Config, VariablesAreATableUnlessAFormatIsAskedFor) {
  FakeFiles files({{"/p/compose.yaml", "services: {a: {image: 'x:${T:-1}'}}\n"}});
  auto variables = [&](ConfigFormat format) {
    ConfigOptions options;
    options.output = ConfigOutput::variables;
    options.format = format;
    std::ostringstream out;
    std::vector<Diagnostic> warnings;
    run_config(options_in("/p"), options, files, out, warnings);
    return out.str();
  };
  EXPECT_TRUE(variables(ConfigFormat::by_output).starts_with("NAME"));
  EXPECT_EQ(
      variables(ConfigFormat::yaml),
      "T:\n    name: T\n    defaultvalue: \"1\"\n    presencevalue: \"\"\n    required: false\n");
}

TEST(Config, HashesAreThoseOfTheNamedServices) {
  FakeFiles files(
      {{"/p/compose.yaml", "services: {a: {image: x, depends_on: [b]}, b: {image: y}}\n"}});
  ConfigOptions options;
  options.output = ConfigOutput::hash;
  options.services = {"a"};
  std::ostringstream out;
  std::vector<Diagnostic> warnings;
  run_config(options_in("/p"), options, files, out, warnings);
  std::string text = out.str();
  EXPECT_TRUE(text.starts_with("a "));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST(Config, WithoutInterpolationShowsTheFilesAsTheyAre) {
  ConfigOptions options;
  options.interpolate = false;
  EXPECT_EQ(config("services:\n"
                   "  a:\n"
                   "    extends: base\n"
                   "    environment: [B=2, A]\n"
                   "    profiles: [p]\n"
                   "    ports: ['${P}:80', '81:81']\n"
                   "    volumes: ['${V}:/v']\n"
                   "    networks: {default: {ipv4_address: '${IP}'}}\n"
                   "    depends_on: ['${D}']\n"
                   "  base: {image: 'x:${T}', environment: {A: 1}, env_file: '${E}'}\n",
                   options),
            "name: p\n"
            "services:\n"
            "  a:\n"
            "    depends_on:\n"
            "      ${D}:\n"
            "        condition: service_started\n"
            "        required: true\n"
            "    env_file:\n"
            "      - path: ${E}\n"
            "        required: true\n"
            "    environment:\n"
            "      - A\n"
            "      - B=2\n"
            "    image: x:${T}\n"
            "    networks:\n"
            "      default:\n"
            "        ipv4_address: ${IP}\n"
            "    ports:\n"
            "      - ${P}:80\n"
            "      - mode: ingress\n"
            "        protocol: tcp\n"
            "        published: \"81\"\n"
            "        target: 81\n"
            "    profiles:\n"
            "      - p\n"
            "    volumes:\n"
            "      - source: ${V}\n"
            "        target: /v\n"
            "        type: volume\n"
            "        volume: {}\n"
            "  base:\n"
            "    env_file:\n"
            "      - path: ${E}\n"
            "        required: true\n"
            "    environment:\n"
            "      A: 1\n"
            "    image: x:${T}\n"
            "    networks:\n"
            "      default: null\n"
            "networks:\n"
            "  default:\n"
            "    name: p_default\n");
}

std::string hash_of_a(const std::string& attributes) {
  Project p = load_text("services:\n  a:\n    image: x\n" + attributes);
  return config_hash(p.services.at("a"), p);
}

TEST(ConfigHash, ChangesWithWhatAContainerIsMadeFrom) {
  std::string base = hash_of_a("");
  EXPECT_EQ(base, hash_of_a("\n\n    scale: 3\n"));
  EXPECT_EQ(base, hash_of_a("  b: {image: y}\n"));
  EXPECT_NE(base, hash_of_a("    user: u\n"));
  EXPECT_NE(base, hash_of_a("    environment: {A: 1}\n"));
  EXPECT_EQ(base.size(), 66U);  // "1-" and a sha256
}

}  // namespace
}  // namespace pcompose::compose
