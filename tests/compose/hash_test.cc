// Which attribute of a service recreates its container when it changes.
#include <gtest/gtest.h>

#include "compose/config_hash.h"
#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

Project project_of(const std::string& attributes) {
  FakeFiles files({{"/p/compose.yaml", "services:\n  a:\n    image: x\n" + attributes +
                                           "networks: {n: {}}\nvolumes: {vol: {}}\n"},
                   {"/p/one.env", "A=1\n"},
                   {"/p/two.env", "A=2\n"}});
  LoadOptions options = options_in("/p");
  options.unsupported = Unsupported::warn;
  return load(options, files);
}

std::string hash_of(const std::string& attributes) {
  Project project = project_of(attributes);
  return config_hash(project.services.at("a"), project);
}

struct Edit {
  const char *before, *after;
};

std::string indented(const std::string& text) { return text.empty() ? "" : "    " + text + "\n"; }

const Edit kRecreating[] = {
    {"", "annotations: {a: b}"},
    {"", "blkio_config: {weight: 300}"},
    {"", "cap_add: [NET_ADMIN]"},
    {"", "cap_drop: [ALL]"},
    {"", "cgroup: host"},
    {"", "cgroup_parent: x"},
    {"", "command: a b"},
    {"command: a b", "command: [a b]"},
    {"", "container_name: cc"},
    {"", "cpu_count: 2"},
    {"", "cpu_percent: 50"},
    {"", "cpu_period: 1000"},
    {"", "cpu_quota: 1000"},
    {"", "cpu_rt_period: 1000"},
    {"", "cpu_rt_runtime: 1000"},
    {"", "cpu_shares: 512"},
    {"", "cpus: 0.5"},
    {"", "cpuset: 0-1"},
    {"", "deploy: {resources: {limits: {memory: 64m}}}"},
    {"", "deploy: {restart_policy: {condition: on-failure}}"},
    {"", "device_cgroup_rules: ['c 1:3 r']"},
    {"", "devices: [/dev/fuse]"},
    {"", "dns: 1.1.1.1"},
    {"", "dns_opt: [rotate]"},
    {"", "dns_search: x.org"},
    {"", "domainname: d"},
    {"", "entrypoint: e"},
    {"env_file: one.env", "env_file: two.env"},
    {"", "environment: {A: 1}"},
    {"environment: {A: 1}", "environment: {A: 2}"},
    {"", "expose: [80]"},
    {"", "extra_hosts: {h: 1.2.3.4}"},
    {"", "gpus: all"},
    {"", "group_add: [audio]"},
    {"", "healthcheck: {test: x}"},
    {"healthcheck: {test: x}", "healthcheck: {test: x, interval: 3s}"},
    {"", "hostname: h"},
    {"", "init: true"},
    {"", "ipc: host"},
    {"", "labels: {a: b}"},
    {"", "logging: {driver: none}"},
    {"", "mac_address: 02:42:ac:11:00:02"},
    {"", "mem_limit: 64m"},
    {"", "mem_reservation: 64m"},
    {"", "mem_swappiness: 0"},
    {"", "memswap_limit: 64m"},
    {"", "network_mode: none"},
    {"", "networks: {n: {}}"},
    {"networks: {n: {}}", "networks: {n: {ipv4_address: 10.1.2.3}}"},
    {"", "oom_kill_disable: true"},
    {"", "oom_score_adj: 5"},
    {"", "pid: host"},
    {"", "pids_limit: 10"},
    {"", "platform: linux/arm64"},
    {"", "ports: [80]"},
    {"ports: [80]", "ports: [8080:80]"},
    {"", "post_start: [{command: x}]"},
    {"", "pre_stop: [{command: x}]"},
    {"", "privileged: true"},
    {"", "read_only: true"},
    {"", "restart: always"},
    {"", "runtime: crun"},
    {"", "security_opt: [seccomp=unconfined]"},
    {"", "shm_size: 64m"},
    {"", "stdin_open: true"},
    {"", "stop_grace_period: 1s"},
    {"", "stop_signal: SIGINT"},
    {"", "storage_opt: {size: 1G}"},
    {"", "sysctls: {net.core.somaxconn: 1}"},
    {"", "tmpfs: /t"},
    {"", "tty: true"},
    {"", "ulimits: {nofile: 10}"},
    {"", "user: u"},
    {"", "userns_mode: host"},
    {"", "uts: host"},
    {"", "volumes: [vol:/v]"},
    {"volumes: [vol:/v]", "volumes: [vol:/v:ro]"},
    {"", "working_dir: /w"},
};

TEST(Hash, ChangesWithWhatTheContainerIsMadeFrom) {
  for (const Edit& c : kRecreating) {
    EXPECT_NE(hash_of(indented(c.before)), hash_of(indented(c.after))) << c.after;
  }
}

const Edit kHarmless[] = {
    {"", "attach: false"},
    {"", "build: ."},
    {"", "scale: 3"},
    {"", "deploy: {replicas: 3}"},
    {"", "deploy: {placement: {constraints: [x]}}"},
    {"", "deploy: {labels: {a: b}}"},
    {"", "deploy: {update_config: {parallelism: 2}}"},
    {"", "develop: {watch: [{path: ., action: restart}]}"},
    {"", "pull_policy: always"},
    {"", "profiles: []"},
    {"", "depends_on: {b: {condition: service_started, required: false}}"},
    {"mem_limit: 64m", "mem_limit: 65536k"},
    {"environment: [A=1]", "environment: {A: 1}"},
    {"env_file: one.env", "environment: {A: 1}"},
    {"ports: ['8080:80']", "ports: [{target: 80, published: 8080}]"},
    {"stop_grace_period: 60s", "stop_grace_period: 1m"},
    {"command: a b", "command: [a, b]"},
    {"tmpfs: /t", "tmpfs: [/t]"},
};

TEST(Hash, StaysWithWhatOnlySaysWhenAndHowOften) {
  for (const Edit& c : kHarmless)
    EXPECT_EQ(hash_of(indented(c.before)), hash_of(indented(c.after))) << c.after;
}

// Containers of a user's stack carry this. A new value here means that an upgrade would make all of
// them anew: raise kConfigHashVersion with it.
TEST(Hash, IsTheSameAsInEarlierReleases) {
  EXPECT_EQ(hash_of("    command: [a, b]\n    environment: {B: 2, A: 1}\n    ports: ['8080:80']\n"
                    "    networks: {n: {}}\n    volumes: ['vol:/v']\n    restart: always\n"
                    "    healthcheck: {test: x, interval: 3s}\n"),
            "1-c9283c208cdf5886f0a3bd6ac59c763562f2698112b491381cf94a4c1f2a22be");
}

TEST(Hash, TellsItsVersion) {
  EXPECT_FALSE(is_of_another_version(hash_of("")));
  EXPECT_TRUE(is_of_another_version(""));
  EXPECT_TRUE(is_of_another_version("0-" + hash_of("").substr(2)));
  EXPECT_TRUE(is_of_another_version("11-" + hash_of("").substr(2)));
}

std::string changes_of(const Project& old, const Project& wanted) {
  std::string text;
  for (const Change& c : changes(old.services.at("a"), old, wanted.services.at("a"), wanted))
    text += (text.empty() ? "" : "; ") + c.path + " " + c.position.str();
  return text;
}

std::string changes_of(const std::string& before, const std::string& after) {
  return changes_of(project_of(before), project_of(after));
}

TEST(Changes, NameTheAttributeAndItsPlace) {
  EXPECT_EQ(changes_of("", ""), "");
  EXPECT_EQ(changes_of("    scale: 2\n", "    depends_on: []\n"), "");
  EXPECT_EQ(changes_of("    environment: {A: 1, B: 2}\n", "    environment: {A: 1, B: 3}\n"),
            "environment.B compose.yaml:4:28");
  EXPECT_EQ(changes_of("    environment: {A: 1, B: 2}\n", "    environment: {A: 1}\n"),
            "environment.B compose.yaml:4:18");
  EXPECT_EQ(changes_of("    user: a\n", "    command: [x]\n"),
            "command compose.yaml:4:14; user compose.yaml:2:3");
  EXPECT_EQ(changes_of("    ports: [80]\n", "    ports: [81]\n"), "ports compose.yaml:4:12");
}

std::string change_of_volume(const std::string& before, const std::string& after) {
  auto project = [](const std::string& volume) {
    FakeFiles files({{"/p/compose.yaml",
                      "services:\n  a: {image: x, volumes: ['vol:/v', 'vol:/w']}\n"
                      "volumes:\n  vol: {" +
                          volume + "}\n"}});
    return load(options_in("/p"), files);
  };
  return changes_of(project(before), project(after));
}

TEST(Changes, OfVolumesAreChangesOfWhoMountsThem) {
  EXPECT_EQ(change_of_volume("driver_opts: {o: size=1m}", "driver_opts: {o: size=1m}"), "");
  EXPECT_EQ(change_of_volume("driver_opts: {o: size=1m}", "driver_opts: {o: size=2m}"),
            "volumes.vol.driver_opts compose.yaml:4:3");
  EXPECT_EQ(change_of_volume("name: one", "name: two"), "volumes compose.yaml:2:26");
}

TEST(Hash, OptionsOfItsVolumesCount) {
  auto hash = [](const std::string& options) {
    FakeFiles files({{"/p/compose.yaml",
                      "services:\n  a: {image: x, volumes: [vol:/v]}\n  b: {image: x}\n"
                      "volumes: {vol: {driver_opts: {type: tmpfs, o: " +
                          options + "}}}\n"}});
    Project project = load(options_in("/p"), files);
    return std::pair(config_hash(project.services.at("a"), project),
                     config_hash(project.services.at("b"), project));
  };
  EXPECT_EQ(hash("size=1m"), hash("size=1m"));
  EXPECT_NE(hash("size=1m").first, hash("size=2m").first);
  EXPECT_EQ(hash("size=1m").second, hash("size=2m").second);
}

}  // namespace
}  // namespace pcompose::compose
