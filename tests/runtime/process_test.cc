// What a container's process gets and sees.
#include <array>
#include <filesystem>
#include <grp.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/runtime/bundle_fixture.h"

namespace pcompose::engine::runtime {
namespace {

using ProcessTest = BundleTest;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_F(ProcessTest, EveryNamespaceIsItsOwn) {
  auto& all = linux_part()["namespaces"].as_array();
  all.push_back({{"type", "time"}});
  linux_part()["timeOffsets"] = {{"boottime", {{"secs", 1000000}}}};
  for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "uts", "time"}) {
    std::string path = std::string("/proc/self/ns/") + name;
    auto outcome = run("readlink " + path);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    EXPECT_NE(outcome.output, std::filesystem::read_symlink(path).string() + "\n") << name;
  }
  EXPECT_TRUE(contains(run("cat /proc/uptime").output, "1"));
  EXPECT_EQ(run("echo $$").output, "1\n");
  EXPECT_EQ(run("hostname").output, "pcompose\n");
}

TEST_F(ProcessTest, NamespacesAreJoinedByPath) {
  for (auto& ns : linux_part()["namespaces"].as_array()) {
    if (ns.at("type").as_string() == "network") ns.as_object()["path"] = "/proc/self/ns/net";
    if (ns.at("type").as_string() == "pid") ns.as_object()["path"] = "/proc/self/ns/pid";
  }
  EXPECT_EQ(run("readlink /proc/self/ns/net").output,
            std::filesystem::read_symlink("/proc/self/ns/net").string() + "\n");
  linux_part()["namespaces"].as_array()[0].as_object()["path"] = "/proc/self/ns/net";
  EXPECT_TRUE(contains(run("true").output, "of another type"));
}

TEST_F(ProcessTest, AUserNamespaceMapsIds) {
  linux_part()["namespaces"].as_array().push_back({{"type", "user"}});
  json::array map = {{{"containerID", 0}, {"hostID", 100000}, {"size", 1000}}};
  linux_part()["uidMappings"] = map;
  linux_part()["gidMappings"] = map;
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  auto outcome = run("cat /proc/self/uid_map; id -u; echo x > /dev/null && echo null");
  EXPECT_TRUE(contains(outcome.output, "100000       1000")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "\n0\nnull\n")) << outcome.output;
}

TEST_F(ProcessTest, DevicesOfAUserNamespaceAreWhatWasAskedFor) {
  linux_part()["namespaces"].as_array().push_back({{"type", "user"}});
  linux_part()["uidMappings"] = {{{"containerID", 0}, {"hostID", 1000}, {"size", 65536}}};
  linux_part()["gidMappings"] = {{{"containerID", 0}, {"hostID", 2000}, {"size", 65536}}};
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  linux_part()["devices"] = {{{"path", "/dev/mine"},
                              {"type", "c"},
                              {"major", 1},
                              {"minor", 5},
                              {"fileMode", 416},
                              {"uid", 7},
                              {"gid", 8}}};
  EXPECT_EQ(
      run("stat -c '%a %u:%g %t:%T' /dev/mine; head -c 2 /dev/mine | busybox od -An -c").output,
      "640 7:8 1:5\n  \\0  \\0\n");
  linux_part()["devices"].as_array()[0].as_object()["uid"] = 70000;
  EXPECT_TRUE(contains(run("true").output,
                       "linux.devices[0]: its owner 70000:8 is not in the id mappings"));
}

TEST_F(ProcessTest, UserGroupsUmaskLimitsAndScores) {
  process()["user"] = {{"uid", 5}, {"gid", 6}, {"umask", 63}, {"additionalGids", {7, 8}}};
  process()["oomScoreAdj"] = 321;
  process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 77}, {"hard", 99}},
                          {{"type", "RLIMIT_MEMLOCK"}, {"soft", 4096}, {"hard", 4096}}};
  EXPECT_EQ(
      run("id -u; id -g; id -G; umask; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn").output,
      "5\n6\n6 7 8\n0077\n321\n77\n99\n");
}

TEST_F(ProcessTest, SchedulingPersonalityAndDomain) {
  process()["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 5}};
  process()["ioPriority"] = {{"class", "IOPRIO_CLASS_BE"}, {"priority", 7}};
  linux_part()["personality"] = {{"domain", "LINUX32"}};
  config["domainname"] = "realm";
  // proc_pid_stat(5): nice and policy.
  EXPECT_EQ(run("busybox ionice; uname -m; set -- $(cat /proc/self/stat); echo ${19} ${41}; "
                "cat /proc/sys/kernel/domainname")
                .output,
            "best-effort: prio 7\ni686\n5 3\nrealm\n");
}

TEST_F(ProcessTest, MemoryComesFromItsNodes) {
  linux_part()["memoryPolicy"] = {{"mode", "MPOL_BIND"}, {"nodes", "0"}};
  if (::access("/proc/self/numa_maps", F_OK) != 0) {
    EXPECT_TRUE(contains(run("true").output, "set the memory policy: "));
    return;
  }
  EXPECT_EQ(run("grep -qE ' bind(=[a-z]+)?:0' /proc/self/numa_maps && echo bound").output,
            "bound\n");
  linux_part()["memoryPolicy"] = {{"mode", "MPOL_DEFAULT"}, {"nodes", "0"}};
  EXPECT_TRUE(contains(run("true").output, "set the memory policy: Invalid argument"));
}

TEST_F(ProcessTest, TheRootsPropagationIsWhatWasSaid) {
  auto flags = [&] { return run("grep -E '^([^ ]+ ){4}/ ' /proc/self/mountinfo").output; };
  EXPECT_FALSE(contains(flags(), "shared:"));
  linux_part()["rootfsPropagation"] = "shared";
  EXPECT_TRUE(contains(flags(), "shared:"));
  linux_part()["rootfsPropagation"] = "unbindable";
  EXPECT_TRUE(contains(flags(), " unbindable "));
}

TEST_F(ProcessTest, ANewNetworkHasItsLoopback) {
  EXPECT_EQ(run("busybox ping -c 1 127.0.0.1 >/dev/null && echo up").output, "up\n");
}

TEST_F(ProcessTest, TheStartersGroupsAreKeptWhereTheAnnotationSaysSo) {
  ASSERT_EQ(::setgroups(2, std::array<gid_t, 2>{41, 42}.data()), 0);
  config["annotations"] = {{"run.oci.keep_original_groups", "1"}};
  std::string kept = run("id -G").output;
  ASSERT_EQ(::setgroups(0, nullptr), 0);
  EXPECT_EQ(kept, "0 41 42\n");
}

TEST_F(ProcessTest, LimitsAboveOursAreClamped) {
  process()["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 99999999}, {"hard", 99999999}}};
  EXPECT_EQ(run("test $(ulimit -n) -gt 1000").code, 0);
}

TEST_F(ProcessTest, CapabilitiesAreTheFiveSets) {
  process()["capabilities"] = {{"bounding", {"CAP_KILL", "CAP_CHOWN"}},
                               {"effective", {"CAP_KILL"}},
                               {"permitted", {"CAP_KILL", "CAP_CHOWN"}},
                               {"inheritable", {"CAP_KILL"}},
                               {"ambient", {"CAP_KILL"}}};
  process()["user"] = {{"uid", 5}, {"gid", 5}};
  std::string text = run("grep Cap /proc/self/status").output;
  EXPECT_EQ(text,
            "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
            "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020\n");
}

TEST_F(ProcessTest, TheFilterIsLoaded) {
  linux_part()["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls",
       {{{"names", {"mkdir", "mkdirat"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 95}}}}};
  config["root"].as_object()["readonly"] = false;
  auto outcome = run("busybox mkdir /tmp/d; grep Seccomp: /proc/self/status");
  EXPECT_TRUE(contains(outcome.output, "not supported")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "Seccomp:\t2")) << outcome.output;
  linux_part()["seccomp"].as_object()["defaultAction"] = "SCMP_ACT_NOSUCH";
  EXPECT_TRUE(contains(run("true").output, "linux.seccomp.defaultAction: \"SCMP_ACT_NOSUCH\""));
}

TEST_F(ProcessTest, MountOptions) {
  std::filesystem::create_directories(directory / "host/deep");
  mounts().push_back({{"destination", "/ro"},
                      {"source", directory / "host"},
                      {"options", {"rbind", "ro", "nosuid", "noexec"}}});
  mounts().push_back({{"destination", "/t"},
                      {"type", "tmpfs"},
                      {"source", "mine"},
                      {"options", {"noatime", "size=64k", "mode=711"}}});
  mounts().push_back({{"destination", "/bin"}, {"type", "tmpfs"}, {"options", {"tmpcopyup"}}});
  auto outcome = run("mount; touch /ro/x; stat -c %a /t; ls /bin/sh");
  EXPECT_TRUE(contains(outcome.output, " on /ro type")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "(ro,nosuid,noexec")) << outcome.output;
  EXPECT_TRUE(contains(outcome.output, "mine on /t type tmpfs (rw,noatime,size=64k,mode=711"));
  EXPECT_TRUE(contains(outcome.output, "/ro/x: Read-only file system"));
  EXPECT_TRUE(contains(outcome.output, "711\n/bin/sh\n"));
}

TEST_F(ProcessTest, AnIdMappedBindShowsOtherOwners) {
  std::filesystem::create_directories(directory / "host");
  ASSERT_EQ(::chown((directory / "host").c_str(), 7, 7), 0);
  json::array map = {{{"containerID", 7}, {"hostID", 1234}, {"size", 1}}};
  mounts().push_back({{"destination", "/m"},
                      {"source", directory / "host"},
                      {"options", {"bind"}},
                      {"uidMappings", map},
                      {"gidMappings", map}});
  auto outcome = run("stat -c %u:%g /m");
  EXPECT_EQ(outcome.output, "1234:1234\n");
}

TEST_F(ProcessTest, DevicesAndTheirRules) {
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  linux_part()["devices"] = {{{"path", "/dev/mine"},
                              {"type", "c"},
                              {"major", 1},
                              {"minor", 5},
                              {"fileMode", 384},
                              {"uid", 3},
                              {"gid", 4}}};
  auto outcome = run("stat -c '%a %u %g %t %T' /dev/mine; head -c1 /dev/mine | busybox wc -c");
  EXPECT_EQ(outcome.output, "600 3 4 1 5\n1\n");
  // kmsg is in no rule: it may be made, not opened.
  process()["capabilities"].as_object()["effective"] = json::array{"CAP_MKNOD"};
  EXPECT_TRUE(
      contains(run("busybox mknod /dev/k c 1 11 && head -c1 /dev/k").output, "not permitted"));
}

TEST_F(ProcessTest, ADeviceToReadIsNotWrittenTo) {
  std::filesystem::permissions(directory.path(), std::filesystem::perms(0755));
  linux_part()["devices"] = {{{"path", "/dev/tun"}, {"type", "c"}, {"major", 10}, {"minor", 200}}};
  linux_part()["resources"].as_object()["devices"].as_array().push_back(
      {{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 200}, {"access", "r"}});
  EXPECT_TRUE(contains(run("(: < /dev/tun) && echo opened").output, "opened"));
  EXPECT_TRUE(contains(run(": > /dev/tun").output, "not permitted"));
}

TEST_F(ProcessTest, ItsCgroupsAreTheRootItSees) {
  // Of a hierarchy it did not join it would see, and with a writable mount change, the host's.
  auto outcome = run("cat /proc/self/cgroup");
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) EXPECT_TRUE(line.ends_with(":/")) << line;
  outcome = run("ls -d /sys/fs/cgroup/*/pcompose-runtime /sys/fs/cgroup/pcompose-runtime");
  EXPECT_EQ(outcome.code, 1) << outcome.output;
}

TEST_F(ProcessTest, CgroupLimitsAreInTheFiles) {
  linux_part()["resources"] = {{"memory", {{"limit", 33554432}}},
                               {"pids", {{"limit", 20}}},
                               {"cpu", {{"shares", 512}, {"quota", 20000}, {"period", 100000}}}};
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  bool v2 = std::filesystem::exists("/sys/fs/cgroup/cgroup.controllers");
  std::string base = "/sys/fs/cgroup/", group = "/pcompose-runtime/c1/";
  auto file = [&](const char* controller, const char* v1_name, const char* v2_name) {
    return read_file(v2 ? base + group + v2_name : base + controller + group + v1_name);
  };
  EXPECT_EQ(file("memory", "memory.limit_in_bytes", "memory.max"), "33554432\n");
  EXPECT_EQ(file("pids", "pids.max", "pids.max"), "20\n");
  EXPECT_EQ(file("cpu", "cpu.cfs_quota_us", "cpu.max"), v2 ? "20000 100000\n" : "20000\n");
  EXPECT_EQ(command({"update", "--pids-limit", "30", "--memory", "64m", "c1"}).code, 0);
  EXPECT_EQ(file("pids", "pids.max", "pids.max"), "30\n");
  EXPECT_EQ(file("memory", "memory.limit_in_bytes", "memory.max"), "67108864\n");
}

// On v1 a group has a share of it only where ours above it has.
TEST_F(ProcessTest, RealTimeIsLentByTheGroupAbove) {
  if (::access("/sys/fs/cgroup/cpu/cpu.rt_runtime_us", W_OK) != 0)
    GTEST_SKIP() << "no groups of real-time processes";
  process()["scheduler"] = {{"policy", "SCHED_FIFO"}, {"priority", 10}};
  linux_part()["resources"].as_object()["cpu"] = {{"realtimeRuntime", 1000},
                                                  {"realtimePeriod", 100000}};
  // Fields 40 and 41 of proc_pid_stat(5): priority and policy.
  EXPECT_EQ(run("set -- $(cat /proc/$$/stat); shift 39; echo $1 $2").output, "10 1\n");
  linux_part()["resources"].as_object()["cpu"] = {{"shares", 512}};
  auto refused = run("true");
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(contains(refused.output, "linux.resources.cpu.realtimeRuntime")) << refused.output;
}

}  // namespace
}  // namespace pcompose::engine::runtime
