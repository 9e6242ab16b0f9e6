// The texts of errors: place, path, what is wrong, what would be right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

using testing::HasSubstr;

struct Case {
  const char* text;
  const char* expected;
};

TEST(Errors, Table) {
  const Case cases[] = {
      {"services:\n  web:\n    imagee: x\n    image: x\n",
       "compose.yaml:3:5: services.web.imagee: is not a compose attribute of a service (did you "
       "mean 'image'?); "
       "remove it, or name it x-imagee to keep it as an extension"},
      {"services:\n  web:\n    image: x\n    deploy:\n      resources:\n        "
       "reservations:\n          generic_resources: []\n",
       "compose.yaml:7:11: services.web.deploy.resources.reservations.generic_resources: is not "
       "supported by pcompose yet; remove it "
       "to "
       "go on without"},
      {"services:\n  web: {command: run}\n",
       "compose.yaml:2:3: services.web: has neither an image nor a build; add 'image: …'"},
      {"services:\n  web: nginx\n",
       "compose.yaml:2:8: services.web: must be a mapping, this is a string"},
      {"services: [web]\n", "compose.yaml:1:11: services: must be a mapping, this is a list"},
      {"services: {a: {image: x, user: 1000}}\n",
       "compose.yaml:1:32: services.a.user: must be a string, this is an integer; put it in "
       "quotes: \"1000\""},
      {"services: {a: {image: x, stop_grace_period: 10}}\n",
       "compose.yaml:1:45: services.a.stop_grace_period: must be a duration with a unit; write 10s "
       "for 10 seconds"},
      {"services: {a: {image: x, healthcheck: {interval: soon}}}\n",
       "compose.yaml:1:50: services.a.healthcheck.interval: must be a duration like 10s or 1m30s, "
       "this is \"soon\""},
      {"services: {a: {image: x, init: maybe}}\n",
       "compose.yaml:1:32: services.a.init: must be true or false, this is \"maybe\""},
      {"services: {a: {image: x, ports: ['80:abc']}}\n",
       "compose.yaml:1:34: services.a.ports[0]: \"80:abc\": \"abc\" is no container port (1 to "
       "65535, or a range)"},
      {"services: {a: {image: x, ports: ['8000-8010:80-85']}}\n",
       "compose.yaml:1:34: services.a.ports[0]: \"8000-8010:80-85\": 11 host ports (8000-8010) "
       "cannot meet 6 "
       "container ports (80-85)"},
      {"services: {a: {image: x, x-pcompose: {restart_unhealthy: often}}}\n",
       "compose.yaml:1:58: services.a.x-pcompose.restart_unhealthy: must be true or false"},
      {"services: {a: {image: x, x-pcompose: {restart: true}}}\n",
       "compose.yaml:1:48: services.a.x-pcompose.restart: is not known; 'restart_unhealthy: true' "
       "is"},
      {"x-pcompose: {restart_unhealthy: often}\nservices: {a: {image: x}}\n",
       "compose.yaml:1:14: x-pcompose.restart_unhealthy: must be true or false"},
      {"services: {a: {image: x, networks: [back]}}\n",
       "compose.yaml:1:37: services.a.networks.back: refers to undefined network back; define it "
       "under the top-level "
       "'networks:'"},
      {"services: {a: {image: x, volumes: ['data:/d']}}\n",
       "compose.yaml:1:36: services.a.volumes[0]: refers to undefined volume data; define it under "
       "the top-level "
       "'volumes:'"},
      {"services: {a: {image: x, depends_on: [db]}}\n",
       "compose.yaml:1:39: services.a.depends_on.db: service \"a\" depends on undefined service "
       "\"db\""},
      {"services: {a: {image: x, depends_on: [b]}, b: {image: x, profiles: [p]}}\n",
       "compose.yaml:1:39: services.a.depends_on.b: service \"a\" depends on service \"b\", which "
       "is disabled; enable "
       "it with --profile p, or write 'required: false'"},
      {"services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n",
       "compose.yaml:3:30: services.b.depends_on: dependency cycle detected: a -> b -> a"},
      {"services: {a: {image: x, depends_on: {b: {condition: ready}}}, b: {image: x}}\n",
       "compose.yaml:1:54: services.a.depends_on.b.condition: must be one of: service_started "
       "service_healthy "
       "service_completed_successfully service_listening; this is \"ready\""},
      {"services: {a: {image: x, restart: sometimes}}\n",
       "compose.yaml:1:35: services.a.restart: \"sometimes\" is none of no, always, "
       "unless-stopped, on-failure, "
       "on-failure:N"},
      {"services: {a: {image: x, network_mode: 'ns:/x'}}\n",
       "compose.yaml:1:40: services.a.network_mode: \"ns:/x\" is not supported by pcompose yet; "
       "use none, host, bridge, service:NAME, container:NAME or a network's name"},
      {"services:\n  a: {image: x}\n  b:\n    image: x\n    network_mode: service:a\n    ports: "
       "['80:80']\n",
       "compose.yaml:6:13: services.b.ports[0]: the container has no network of its own; publish "
       "the port at service a"},
      {"services: {a: {image: x, scale: 2, networks: {default: {ipv4_address: 10.0.0.9}}}}\n",
       "compose.yaml:1:71: services.a.networks.default.ipv4_address: 2 containers cannot have one "
       "address; remove it or scale"},
      {"services: {a: {image: '${T:?set it}'}}\n",
       "compose.yaml:1:23: services.a.image: required variable T is missing a value: set it"},
      {"services: {a: {image: x, extends: {service: no}}}\n",
       "compose.yaml:1:35: services.a.extends: cannot extend service \"a\": service \"no\" not "
       "found in compose.yaml"},
      {"services: {a: {extends: {service: no}}}\n",
       "compose.yaml:1:25: services.a.extends: cannot extend service \"a\": service \"no\" not "
       "found in compose.yaml"},
      {"services: {a: {image: x, env_file: gone.env}}\n",
       "compose.yaml:1:36: services.a.env_file[0]: env file /p/gone.env not found; make it, or "
       "write 'required: "
       "false'"},
  };
  for (const Case& c : cases) EXPECT_EQ(load_error(c.text), c.expected) << c.text;
}

TEST(Errors, OfWhatTheSchemaRefuses) {
  const Case cases[] = {
      {"services:\n  a:\n    image: x\n    ports:\n",
       "compose.yaml:4:5: services.a.ports: has no value; give it one, or remove it"},
      {"services:\n", "compose.yaml:1:1: services: has no value; give it one, or remove it"},
      {"services: {a: {image: x, volumes: [{type: bind, source: ., target: /a, bind: }]}}\n",
       "compose.yaml:1:72: services.a.volumes[0].bind: has no value; give it one, or remove it"},
      {"services: {a: {image: x, group_add: [b, b]}}\n",
       "compose.yaml:1:41: services.a.group_add[1]: \"b\" stands here twice; remove one"},
      {"services: {a: {image: x, depends_on: [b, b]}, b: {image: x}}\n",
       "compose.yaml:1:42: services.a.depends_on[1]: \"b\" stands here twice; remove one"},
      {"services: {a: {image: x, ports: ['::1:90:80']}}\n",
       "compose.yaml:1:34: services.a.ports[0]: \"::1:90:80\": an IPv6 address stands in brackets: "
       "[::1]:90:80"},
      {"services: {a: {image: x, pull_policy: often}}\n",
       "compose.yaml:1:39: services.a.pull_policy: \"often\" is none of always, never, missing, "
       "build, refresh, daily, weekly, every_12h"},
      {"services: {a: {image: x, oom_score_adj: 1001}}\n",
       "compose.yaml:1:41: services.a.oom_score_adj: must be between -1000 and 1000"},
      {"services: {a: {build: {dockerfile: x, dockerfile_inline: y}}}\n",
       "compose.yaml:1:58: services.a.build: 'dockerfile' and 'dockerfile_inline' exclude each "
       "other; remove one of the two"},
      {"services: {a: {platform: linux/arm64, build: {platforms: [linux/amd64]}}}\n",
       "compose.yaml:1:26: services.a.build.platforms: does not hold the service's platform "
       "linux/arm64; add it"},
      {"services: {a: {build: {additional_contexts: {c: 'service:b'}}}, b: {image: x}}\n",
       "compose.yaml:1:46: services.a.build.additional_contexts.c: service:b has no build"},
      {"services: {a: {build: {secrets: [s]}}}\n",
       "compose.yaml:1:34: services.a.build.secrets[0]: refers to undefined secret s; define it "
       "under the top-level 'secrets:'"},
      {"services: {a: {image: x}}\nnetworks: {n: {driver_opts: {b: true}}}\n",
       "compose.yaml:2:33: networks.n.driver_opts.b: must be a string or a number, this is a "
       "boolean; quote it"},
      {"services: {a: {image: x}}\nvolumes: {v: {name: b, external: {name: c}}}\n",
       "compose.yaml:2:41: volumes.v: 'name' and 'external.name' differ; keep 'name' only"},
      {"services: {a: {image: x, networks: [$$n]}}\n",
       "services.a.networks.$n: refers to undefined network $n"},
      {"version: 3.8\nservices: {a: {image: x}}\n",
       "compose.yaml:1:10: version: must be a string, this is a number; put it in quotes: \"3.8\""},
  };
  for (const Case& c : cases) EXPECT_THAT(load_error(c.text), HasSubstr(c.expected));
}

TEST(Errors, AreSaidAllAtOnceInTheFilesOrder) {
  EXPECT_EQ(
      load_error("services:\n  a:\n    image: [x]\n    init: 7\n  b:\n    imag: y\nnetwork: {}\n"),
      "compose.yaml:3:12: services.a.image: must be a string, this is a list\n"
      "compose.yaml:4:11: services.a.init: must be true or false, this is \"7\"\n"
      "compose.yaml:6:5: services.b.imag: is not a compose attribute of a service (did you mean "
      "'image'?); "
      "remove it, or name it x-imag to keep it as an extension\n"
      "compose.yaml:7:1: network: is not a compose attribute of a compose file (did you mean "
      "'networks'?); "
      "remove it, or name it x-network to keep it as an extension");
}

TEST(Errors, OfSeveralFilesAreSaidAtOnce) {
  LoadOptions options = options_in("/p");
  options.files = {"a.yaml", "b.yaml"};
  try {
    (void)load(options, FakeFiles({{"/p/a.yaml", "services: {a: {image: 1}}\n"},
                                   {"/p/b.yaml", "services:\n\t- x\n"}}));
    FAIL();
  } catch (const ComposeError& error) {
    EXPECT_THAT(error.what(), HasSubstr("a.yaml:1:23: services.a.image"));
    EXPECT_THAT(error.what(), HasSubstr("b.yaml:2:"));
  }
}

TEST(Warnings, NameAnUnsetVariableOnce) {
  Project p = load_text("version: '3'\nservices: {a: {image: 'x$V', user: '$V'}}\n");
  ASSERT_EQ(p.warnings.size(), 2U);
  EXPECT_EQ(p.warnings[0].str(),
            "compose.yaml:1:1: warning: the attribute `version` is obsolete, it will be ignored, "
            "please remove it to avoid potential confusion");
  EXPECT_THAT(p.warnings[1].str(), HasSubstr("services.a.image: the variable \"V\" is not set"));
}

TEST(Unsupported, CanBeAWarning) {
  LoadOptions options = options_in("/p");
  options.unsupported = Unsupported::warn;
  Project p = load(
      options,
      FakeFiles({{"/p/compose.yaml", "services: {a: {image: x, credential_spec: {file: c}}}\n"}}));
  EXPECT_EQ(p.warnings.size(), 1U);
}

}  // namespace
}  // namespace pcompose::compose
