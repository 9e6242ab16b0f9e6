// Attributes of a service, seen from inside its container.
#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "base/roots.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class AttributesTest : public StackTest {
 protected:
  // Brings one service up with these attributes (indented by four blanks).
  void up(const std::string& attributes) {
    compose(
        "services:\n  w:\n    image: busybox\n    command: sleep 1000\n    stop_grace_period: "
        "0s\n" +
        attributes);
    expect(0, {"up", "-d"});
  }
  std::string in(const std::string& command) {
    return expect(0, {"exec", "-T", "w", "sh", "-c", command}).out;
  }
  std::string status(const std::string& field) {
    return in("awk '/^" + field + ":/ {print $2}' /proc/1/status");
  }
  // A file of the container's cgroup, by its name on v1 or on v2; "" where there is none.
  std::string limit(const std::string& v1, const std::string& v2) {
    std::error_code none;
    std::string group =
        Roots::from_environment().tag + "/" + std::string(ps()["w"].at("ID").as_string());
    std::vector<std::filesystem::path> hierarchies = {"/sys/fs/cgroup"};
    for (const auto& entry : std::filesystem::directory_iterator("/sys/fs/cgroup"))
      hierarchies.push_back(entry.path());
    for (const auto& hierarchy : hierarchies) {
      for (const std::string& file : {v1, v2}) {
        auto path = hierarchy / group / file;
        if (std::filesystem::exists(path, none)) return read_file(path);
      }
    }
    return "";
  }
};

TEST_F(AttributesTest, CapabilitiesAreThoseThatWereAskedFor) {
  up("    cap_drop: [ALL]\n    cap_add: [NET_ADMIN, CAP_CHOWN]\n");
  EXPECT_EQ(status("CapEff"), "0000000000001001\n");
  EXPECT_EQ(status("CapBnd"), "0000000000001001\n");
  EXPECT_EQ(in("awk '/^CapEff:/ {print $2}' /proc/self/status"), "0000000000001001\n") << "exec";
  compose("services:\n  w: {image: busybox, command: sleep 1, cap_add: [NET_ADMN]}\n");
  Result bad = expect(1, {"up", "-d"});
  EXPECT_NE(bad.err.find("compose.yaml:3:"), std::string::npos) << bad.err;
  EXPECT_NE(bad.err.find("\"NET_ADMN\" is no capability"), std::string::npos) << bad.err;
}

TEST_F(AttributesTest, CgroupParentIsWhereTheGroupLies) {
  const std::string top_name = "pctest-" + std::to_string(::getpid());
  const std::string parent = "/" + top_name + "/inner";
  if (::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr) {
    compose("services:\n  w: {image: busybox, command: sleep 1, cgroup_parent: /x}\n");
    std::string err = expect(1, {"up", "-d"}).err;
    EXPECT_NE(err.find("an ordinary user's containers cannot be put into"), std::string::npos)
        << err;
    return;
  }
  up("    cgroup: host\n    pids_limit: 33\n    cgroup_parent: " + parent + "\n");
  std::string own = parent + "/" + Roots::from_environment().tag + "/";
  EXPECT_NE(in("cat /proc/1/cgroup").find(own), std::string::npos) << in("cat /proc/1/cgroup");
  expect(0, {"down"});
  std::error_code gone;
  std::filesystem::path top = "/sys/fs/cgroup";
  for (const auto& entry : std::filesystem::directory_iterator(top)) {
    std::filesystem::remove(entry.path().string() + parent, gone);
    std::filesystem::remove(entry.path() / top_name, gone);
  }
  std::filesystem::remove(top.string() + parent, gone);
  std::filesystem::remove(top / top_name, gone);
  compose("services:\n  w: {image: busybox, command: sleep 1, cgroup_parent: /a/../..}\n");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("leads upwards"), std::string::npos);
}

TEST_F(AttributesTest, OptionsOfAnEndpoint) {
  up(R"(    networks:
      default:
        driver_opts:
          com.docker.network.endpoint.ifname: lan
          com.docker.network.endpoint.sysctls: net.ipv4.conf.IFNAME.log_martians=1
)");
  EXPECT_EQ(in("cat /proc/sys/net/ipv4/conf/lan/log_martians"), "1\n");
}

TEST_F(AttributesTest, StorageOptWithoutQuotasIsRefused) {
  compose("services:\n  w: {image: busybox, command: sleep 1, storage_opt: {size: big}}\n");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("\"big\" is no size"), std::string::npos) << err;
  compose("services:\n  w: {image: busybox, command: sleep 1, storage_opt: {size: 1g}}\n");
  err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("storage_opt.size: limit the space of"), std::string::npos) << err;
  EXPECT_NE(err.find("prjquota"), std::string::npos) << err;
}

TEST_F(AttributesTest, PrivilegedHasEverything) {
  up("    privileged: true\n");
  EXPECT_EQ(status("Seccomp"), "0\n");
  EXPECT_EQ(in("ls /dev | grep -c '^loop\\|^fuse\\|^kmsg' | awk '{print ($1 > 0)}'"), "1\n");
  EXPECT_EQ(in("head -c 1 /dev/kmsg >/dev/null 2>&1; [ -w /proc/sys ] && echo writable"),
            "writable\n");
}

TEST_F(AttributesTest, SecurityOptions) {
  up("    security_opt: ['no-new-privileges:true', 'seccomp=unconfined']\n");
  EXPECT_EQ(status("NoNewPrivs"), "1\n");
  // Ours, and no default filter on top of it: an unconfined container has none.
  EXPECT_EQ(status("Seccomp"), "0\n");
  write("deny.json", R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1},
      {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_SYS_TIME"]}}]})");
  up("    security_opt: ['seccomp:deny.json']\n");
  EXPECT_NE(pcompose({"exec", "-T", "w", "mkdir", "/x"}).code, 0);
  EXPECT_EQ(in("touch /y && chmod 700 /y && echo fine"), "fine\n");
}

TEST_F(AttributesTest, LimitsOfAProcessAndSettings) {
  up(R"(    ulimits: {nofile: {soft: 900, hard: 1000}, nproc: 500}
    sysctls: {net.core.somaxconn: 333}
    oom_score_adj: 123
    shm_size: 8m
    domainname: example.org
    hostname: box
    group_add: [33, "44"]
)");
  EXPECT_EQ(in("awk '/^Max open files/ {print $4, $5}' /proc/1/limits"), "900 1000\n");
  EXPECT_EQ(in("awk '/^Max processes/ {print $3, $4}' /proc/1/limits"), "500 500\n");
  EXPECT_EQ(in("cat /proc/sys/net/core/somaxconn"), "333\n");
  EXPECT_EQ(in("cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
  EXPECT_EQ(in("cat /proc/1/oom_score_adj"), "123\n");
  EXPECT_EQ(in("df -k /dev/shm | awk 'END {print $2}'"), "8192\n");
  EXPECT_EQ(in("cat /proc/sys/kernel/domainname"), "example.org\n");
  EXPECT_EQ(in("awk '/^Groups:/ {print $2, $3}' /proc/1/status"), "33 44\n");
  compose("services:\n  w: {image: busybox, command: sleep 1, sysctls: {vm.swappiness: 1}}\n");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("setting of the whole machine"), std::string::npos);
}

TEST_F(AttributesTest, ResourcesEndInTheCgroup) {
  up(R"(    mem_limit: 64m
    memswap_limit: 64m
    cpus: 0.5
    pids_limit: 50
    cpuset: "0"
)");
  EXPECT_EQ(limit("memory.limit_in_bytes", "memory.max"), "67108864\n");
  EXPECT_EQ(limit("pids.max", "pids.max"), "50\n");
  std::string quota = limit("cpu.cfs_quota_us", "cpu.max");
  EXPECT_TRUE(quota == "50000\n" || quota == "50000 100000\n") << quota;
  EXPECT_EQ(limit("cpuset.cpus", "cpuset.cpus"), "0\n");
  EXPECT_EQ(in("awk '/^Cpus_allowed_list:/ {print $2}' /proc/1/status"), "0\n");
}

TEST_F(AttributesTest, OutOfMemoryIsNamed) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'x=a; while :; do x=$$x$$x; done'
    deploy: {resources: {limits: {memory: 16m}}}
    memswap_limit: 16m
)");
  pcompose({"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }, std::chrono::seconds(20)));
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 137);
  std::string status(ps()["w"].at("Status").as_string());
  EXPECT_NE(status.find("killed: out of memory, limit 16 MiB, peak 1"), std::string::npos)
      << status;
  write("compose.yaml", read_file(file("compose.yaml")) +
                            "  after: {image: busybox, command: 'true', depends_on: {w: "
                            "{condition: service_completed_successfully}}}\n");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("-w-1) (killed: out of memory, limit 16 MiB, peak "), std::string::npos)
      << err;
}

TEST_F(AttributesTest, ALimitThatCannotBeKeptIsRefusedOrSaid) {
  compose(R"(services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    pids_limit: 77
    cpuset: "4096"
)");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("compose.yaml:8:13: "), std::string::npos) << err;
  EXPECT_NE(err.find("--limits=warn"), std::string::npos) << err;
  err = expect(0, {"--limits=warn", "up", "-d"}).err;
  EXPECT_NE(err.find("w-1 runs without cpuset: "), std::string::npos) << err;
  EXPECT_NE(ps()["w"].at("Status").as_string().find("runs without cpuset: "), std::string::npos);
  bool rootless = ::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr;
  if (!rootless) EXPECT_EQ(limit("pids.max", "pids.max"), "77\n") << "the others are kept";
  // A restart knows it still, and after the supervisor's death.
  ::kill(supervisor(), SIGKILL);
  expect(0, {"restart"});
  EXPECT_NE(ps()["w"].at("Status").as_string().find("runs without cpuset: "), std::string::npos);
  expect(0, {"down"});
  ::setenv("PCOMPOSE_LIMITS", "warn", 1);
  expect(0, {"up", "-d"});
  ::unsetenv("PCOMPOSE_LIMITS");
}

TEST_F(AttributesTest, DevicesAreMadeAndMayBeOpened) {
  up("    devices: ['/dev/zero:/dev/nought:r']\n    device_cgroup_rules: ['c 1:11 r']\n");
  EXPECT_EQ(in("head -c 3 /dev/nought | wc -c"), "3\n");
  EXPECT_EQ(in("ls /dev/nought"), "/dev/nought\n");
  compose("services:\n  w: {image: busybox, command: sleep 1, devices: [/dev/no-such]}\n");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("/dev/no-such: No such file"), std::string::npos);
}

// CAP_MKNOD makes any node; what keeps its maker from the host's devices are the group's rules, by
// files on cgroup v1 and by a program on v2.
TEST_F(AttributesTest, NodesThatAreMadeCannotBeOpened) {
  if (::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr) GTEST_SKIP() << "no CAP_MKNOD there";
  up("    device_cgroup_rules: ['c 10:200 r']\n");
  EXPECT_EQ(status("CapEff"), "00000000a80425fb\n") << "with CAP_MKNOD";
  EXPECT_EQ(in("mknod /mem c 1 1 && mknod /tun c 10 200 && mknod /loop b 7 0 && echo made"),
            "made\n");
  auto opens = [&](const std::string& how) {
    return in("(exec 3" + how + ") 2>&1 && echo opened || true");
  };
  EXPECT_NE(opens("</mem").find("not permitted"), std::string::npos) << opens("</mem");
  EXPECT_NE(opens("</loop").find("not permitted"), std::string::npos) << opens("</loop");
  EXPECT_EQ(opens("</tun"), "opened\n") << "device_cgroup_rules";
  EXPECT_NE(opens(">/tun").find("not permitted"), std::string::npos) << "to be read only";
  for (const char* usual : {"null", "zero", "full", "random", "urandom", "ptmx"})
    EXPECT_EQ(opens(std::string("<>/dev/") + usual), "opened\n") << usual;
}

TEST_F(AttributesTest, DevicesByTheirVendorsDescription) {
  std::filesystem::create_directories("/run/cdi");
  std::ofstream("/run/cdi/toys.json") << R"({"cdiVersion": "0.6.0", "kind": "example.com/toy",
    "containerEdits": {"env": ["TOYS=yes"]},
    "devices": [
      {"name": "one", "containerEdits": {
        "env": ["TOY=one"],
        "deviceNodes": [{"path": "/dev/toy", "hostPath": "/dev/net/tun", "permissions": "r",
                         "fileMode": 292}],
        "mounts": [{"hostPath": "/etc/hostname", "containerPath": "/opt/toy",
                    "options": ["ro", "nosuid", "bind"]}],
        "additionalGids": [4711]}},
      {"name": "cache", "containerEdits": {"intelRdt": {"closID": "toys"}}}]})";
  std::ofstream("/run/cdi/gpu.yaml") << "cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n"
                                        "- name: all\n  containerEdits:\n    env: [GPU=all]\n"
                                        "- name: '0'\n  containerEdits:\n    env: [GPU=first]\n";
  std::ofstream("/run/cdi/broken.yaml") << "kind: [\n";
  up("    devices: [example.com/toy=one]\n    gpus: all\n");
  EXPECT_EQ(in("tr '\\0' '\\n' < /proc/1/environ | grep -c '^TOYS=yes$\\|^TOY=one$\\|^GPU=all$'"),
            "3\n");
  // The node of a user namespace is the host's own.
  bool rootless = ::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr;
  EXPECT_EQ(in("stat -c '%a %t:%T' /dev/toy"), rootless ? "666 a:c8\n" : "444 a:c8\n");
  EXPECT_EQ(in("(exec 3</dev/toy) && echo opened"), "opened\n");
  EXPECT_EQ(in("cat /opt/toy"), read_file("/etc/hostname"));
  EXPECT_NE(pcompose({"exec", "-T", "w", "sh", "-c", "echo x > /opt/toy"}).code, 0);
  EXPECT_EQ(in("awk '/^Groups:/ {print $2}' /proc/1/status"), "4711\n");
  up("    deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 1}]}}}\n"
     "    environment: {GPU: none}\n");
  EXPECT_NE(in("tr '\\0' '\\n' < /proc/1/environ").find("GPU=first"), std::string::npos);
  auto refused = [&](const std::string& attributes, const std::string& text) {
    compose("services:\n  w:\n    image: busybox\n    " + attributes + "\n");
    std::string err = expect(1, {"up", "-d"}).err;
    EXPECT_NE(err.find(text), std::string::npos) << err;
    EXPECT_NE(err.find("compose.yaml:"), std::string::npos) << err;
  };
  refused("devices: [example.com/toy=two]",
          "describes the CDI device example.com/toy=two; "
          "described are example.com/toy=cache, ");
  refused("devices: [example.com/toy=two]", "not read: ");
  refused("devices: [example.com/toy=cache]", "want intelRdt (/var/run/cdi/toys.json:");
  refused("devices: [toy]", "neither a path nor a CDI device");
  refused("gpus: [{driver: cdi, device_ids: [example.com/toy=two]}]", "example.com/toy=two");
  refused("gpus: [{count: 9}]", "nvidia.com/gpu=1");
  std::filesystem::remove_all("/run/cdi");
  refused("gpus: all",
          "no file in /etc/cdi or /var/run/cdi describes the CDI device "
          "nvidia.com/gpu=all");
}

TEST_F(AttributesTest, HooksOfDevices) {
  std::filesystem::create_directories("/run/cdi");
  std::ofstream("/run/cdi/toys.json") << R"({"cdiVersion": "0.6.0", "kind": "example.com/toy",
    "devices": [
      {"name": "hooked", "containerEdits": {
        "hooks": [
          {"hookName": "createContainer", "path": "/run/cdi/hook", "args": ["hook", "made"]},
          {"hookName": "startContainer", "path": "/bin/touch", "args": ["touch", "/from-within"]},
          {"hookName": "poststart", "path": "/run/cdi/hook", "args": ["hook", "runs"]},
          {"hookName": "poststop", "path": "/run/cdi/hook", "args": ["hook", "ended"]}]}},
      {"name": "failing", "containerEdits": {
        "hooks": [{"hookName": "createRuntime", "path": "/run/cdi/hook", "args": ["hook", "fail"]}]}},
      {"name": "hanging", "containerEdits": {
        "hooks": [{"hookName": "prestart", "path": "/bin/sleep", "args": ["sleep", "1000"],
                   "timeout": 1}]}}]})";
  // As nvidia-ctk does: the bundle's config.json says where the container's root is.
  std::ofstream("/run/cdi/hook") << R"(#!/usr/bin/python3
import json, sys
state = json.load(sys.stdin)
if sys.argv[1] == "fail": sys.exit("no such toy")
if sys.argv[1] == "made":
    config = json.load(open(state["bundle"] + "/config.json"))
    open(config["root"]["path"] + "/made", "w").write(str(state["pid"] > 0))
else:
    open("/run/cdi/" + sys.argv[1], "w").write(state["status"])
)";
  std::filesystem::permissions("/run/cdi", std::filesystem::perms(0777));
  std::filesystem::permissions("/run/cdi/hook", std::filesystem::perms(0755));
  auto said = [](const char* path, const std::string& text) {
    return std::filesystem::exists(path) && read_file(path) == text;
  };
  up("    devices: [example.com/toy=hooked]\n");
  EXPECT_EQ(in("cat /made; ls /from-within"), "True/from-within\n");
  EXPECT_TRUE(eventually([&] { return said("/run/cdi/runs", "running"); }));
  expect(0, {"stop", "-t", "0"});
  EXPECT_TRUE(eventually([&] { return said("/run/cdi/ended", "stopped"); }));
  for (const auto& [device, text] :
       {std::pair{
            "failing",
            "createRuntime hook /run/cdi/hook of a CDI device ended with code 1: no such toy"},
        {"hanging", "prestart hook /bin/sleep of a CDI device ended with code 137"}}) {
    compose("services:\n  w: {image: busybox, devices: [example.com/toy=" + std::string(device) +
            "]}\n");
    std::string err = expect(1, {"up", "-d"}).err;
    EXPECT_NE(err.find(text), std::string::npos) << err;
  }
  std::filesystem::remove_all("/run/cdi");
}

TEST_F(AttributesTest, NamespacesOfTheHost) {
  up("    pid: host\n    ipc: host\n    uts: host\n    cgroup: host\n");
  auto space = [](const char* kind) {
    return std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind).string() + "\n";
  };
  for (const char* kind : {"pid", "ipc", "uts", "cgroup"})
    EXPECT_EQ(in(std::string("readlink /proc/self/ns/") + kind), space(kind));
}

TEST_F(AttributesTest, NamesOfItsOwn) {
  compose(R"(services:
  db: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    links: ["db:database"]
    extra_hosts: ["other=10.9.8.7", "gate=host-gateway"]
    dns: 192.0.2.1
    dns_search: [corp.example]
    dns_opt: ["timeout:1"]
)");
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("awk '$2 == \"other\" {print $1}' /etc/hosts"), "10.9.8.7\n");
  std::string gate = in("awk '$2 == \"gate\" {print $1}' /etc/hosts");
  EXPECT_EQ(gate, in("ip route | awk '/^default/ {print $3}'"));
  EXPECT_EQ(in("nslookup database | awk '/^Address/ {a = $NF} END {print a}'"),
            in("nslookup db | awk '/^Address/ {a = $NF} END {print a}'"));
  EXPECT_EQ(in("cat /etc/resolv.conf"),
            "nameserver 127.0.0.11\nsearch corp.example\noptions timeout:1 ndots:0\n");
}

TEST_F(AttributesTest, SecretsAndConfigsAreFilesOnNoDisk) {
  write("key.txt", "from a file\n");
  ::setenv("TEST_TOKEN", "hush-hush-4711", 1);
  std::string file = R"(services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    secrets: [token, {source: key, target: /etc/key, mode: 0400, uid: "7", gid: "8"}]
    configs: [{source: app, target: /etc/app.conf}]
secrets:
  token: {environment: TEST_TOKEN}
  key: {file: ./key.txt}
configs:
  app: {content: "level=${LEVEL:-3}\n"}
)";
  compose(file);
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("cat /run/secrets/token"), "hush-hush-4711");
  EXPECT_EQ(in("stat -c '%a %u %g' /etc/key; cat /etc/key"), "400 7 8\nfrom a file\n");
  EXPECT_EQ(in("cat /etc/app.conf"), "level=3\n");
  EXPECT_NE(pcompose({"exec", "-T", "w", "sh", "-c", "echo x > /run/secrets/token"}).code, 0);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root())) {
    if (entry.is_regular_file() && !entry.is_symlink())
      EXPECT_EQ(read_file(entry.path()).find("hush-hush-4711"), std::string::npos) << entry.path();
  }
  std::string before(ps()["w"].at("ID").as_string());
  expect(0, {"restart"});
  EXPECT_EQ(in("cat /run/secrets/token"), "hush-hush-4711");
  EXPECT_EQ(expect(0, {"up", "-d"}).err, "");
  // Another content is another container.
  ::setenv("TEST_TOKEN", "other", 1);
  expect(0, {"up", "-d"});
  EXPECT_NE(ps()["w"].at("ID").as_string(), before);
  EXPECT_EQ(in("cat /run/secrets/token"), "other");
  ::unsetenv("TEST_TOKEN");
  Result unset = expect(1, {"up", "-d", "--force-recreate"});
  EXPECT_NE(unset.err.find("TEST_TOKEN"), std::string::npos) << unset.err;
}

// Its files' mount points come from a layer that all containers share.
TEST_F(AttributesTest, WhoWritesNothingHasNothing) {
  compose(
      "services:\n  w: {image: busybox, command: sleep 1000, privileged: true, stop_signal: "
      "KILL}\n");
  expect(0, {"up", "-d"});
  namespace fs = std::filesystem;
  fs::path own = fs::directory_iterator(root() + "/containers")->path();
  EXPECT_TRUE(fs::is_empty(own / "upper"));
  EXPECT_FALSE(fs::exists(own / "log"));
  EXPECT_EQ(
      in("umount /etc/hosts; stat -c '%a %u' /etc/hosts; echo mine > /etc/hosts; cat /etc/hosts"),
      "644 0\nmine\n");
  EXPECT_TRUE(fs::is_empty(root() + "/cache/mount-points/etc/hosts"));
  EXPECT_EQ(read_file(own / "upper/etc/hosts"), "mine\n");
  fs::remove_all(root() + "/cache/mount-points");
  EXPECT_EQ(in("cat /etc/hostname | wc -l"), "1\n");
  expect(0, {"restart"});
  EXPECT_EQ(in("cat /etc/hostname | wc -l"), "1\n");
}

}  // namespace
}  // namespace pcompose::test
