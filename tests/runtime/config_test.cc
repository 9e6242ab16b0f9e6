#include "engine/runtime/config.h"

#include <sched.h>
#include <sys/mount.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/launch/kernel_abi.h"
#include "engine/runtime/documents.h"

namespace pcompose::engine::runtime {
namespace {

// A whole document around a part of it.
std::string document(const std::string& rest) {
  return R"({"ociVersion": "1.2.0", "root": {"path": "rootfs"})" +
         (rest.empty() ? "" : ", " + rest) + "}";
}

std::string error_of(const std::string& text) {
  try {
    parse_config(text);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Config, TheDefaultIsUnderstood) {
  ContainerSpec spec = parse_config(default_config(Rootless::no));
  EXPECT_EQ(spec.process.args, std::vector<std::string>{"sh"});
  EXPECT_TRUE(spec.process.terminal);
  EXPECT_TRUE(spec.root.readonly);
  EXPECT_EQ(spec.mounts.size(), 7U);
  EXPECT_EQ(spec.process.capabilities.bounding, default_capabilities().bounding);
  EXPECT_EQ(spec.process.capabilities.ambient, 0U);
  EXPECT_EQ(spec.linux.resources.devices.size(), 1U);
  EXPECT_EQ(parse_config(default_config(Rootless::yes)).linux.uid_mappings.size(), 1U);
}

TEST(Config, TypesAreStrictAndErrorsNameThePlace) {
  EXPECT_EQ(error_of("{"), "config.json: not JSON: incomplete JSON");
  EXPECT_EQ(error_of("[]"), "the document: an object is wanted");
  EXPECT_EQ(error_of(R"({"ociVersion": "2.0.0", "root": {"path": "r"}})"),
            "ociVersion: \"2.0.0\" is not one of the versions 1.x");
  EXPECT_EQ(error_of(R"({"ociVersion": "1.0.0"})"), "root: is missing");
  EXPECT_EQ(error_of(document(R"("process": {"cwd": "x"})")), "process.cwd: must be absolute");
  EXPECT_EQ(error_of(document(R"("process": {"cwd": "/", "args": [1]})")),
            "process.args[0]: a string without a zero byte is wanted");
  EXPECT_EQ(error_of(document(R"("process": {"cwd": "/", "user": {"uid": -1}})")),
            "process.user.uid: may not be negative");
  EXPECT_EQ(error_of(document(R"("process": {"cwd": "/", "user": {"uid": 4294967296}})")),
            "process.user.uid: lies outside 0 to 4294967295");
  EXPECT_EQ(error_of(document(R"("process": {"cwd": "/", "terminal": "yes"})")),
            "process.terminal: true or false is wanted");
  EXPECT_EQ(error_of(document(R"("mounts": {"destination": "/"})")), "mounts: an array is wanted");
  EXPECT_EQ(error_of(document(R"("hooks": {"prestart": [{"path": "x"}]})")),
            "hooks.prestart[0].path: must be absolute");
}

TEST(Config, WhatIsNotCarriedOutIsRefusedWithItsPlace) {
  EXPECT_EQ(error_of(document(R"("linux": {"intelRdt": {"closID": "x"}})")),
            "linux.intelRdt: is not supported");
  EXPECT_EQ(error_of(document(R"("linux": {"resources": {"rdma": {"mlx5_1": {}}}})")),
            "linux.resources.rdma.mlx5_1: says neither hcaHandles nor hcaObjects");
  EXPECT_EQ(error_of(document(R"("linux": {"memoryPolicy": {"mode": "MPOL_X"}})")),
            "linux.memoryPolicy.mode: \"MPOL_X\" is not known");
  EXPECT_EQ(error_of(document(R"("linux": {"namespaces": [{"type": "pidd"}]})")),
            "linux.namespaces[0].type: \"pidd\" is no namespace");
  EXPECT_EQ(error_of(document(R"("linux": {"namespaces": [{"type": "pid"}, {"type": "pid"}]})")),
            "linux.namespaces[1].type: pid stands there twice");
}

TEST(Config, NetworkDevicesHaveNamesThatTheKernelTakes) {
  auto linux = [](const std::string& devices) {
    return document(R"("linux": {"namespaces": [{"type": "network"}], "netDevices": )" + devices +
                    "}");
  };
  auto devices = parse_config(linux(R"({"eth1": {}, "eth2": {"name": "c%d"}})")).linux.net_devices;
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].name, "eth1");
  EXPECT_EQ(devices[1].name, "c%d");
  EXPECT_EQ(error_of(linux(R"({"a/b": {}})")),
            "linux.netDevices.a/b: is no name of a network device");
  EXPECT_EQ(error_of(linux(R"({"a": {"name": "x%s"}})")),
            "linux.netDevices.a.name: \"x%s\" is no name of a network device");
  EXPECT_EQ(error_of(linux(R"({"a": {"name": "longer-than-15-bytes"}})")),
            "linux.netDevices.a.name: \"longer-than-15-bytes\" is no name of a network device");
  EXPECT_EQ(error_of(linux(R"({"a": {}, "b": {"name": "a"}})")),
            "linux.netDevices.b.name: a stands there twice");
  EXPECT_EQ(error_of(document(R"("linux": {"netDevices": {"a": {}}})")),
            "linux.netDevices: want a network namespace");
}

TEST(Config, DeadlinesHaveAnOrder) {
  auto error = [](const std::string& rest) {
    return error_of(document(R"("process": {"cwd": "/", "scheduler": {"policy": "SCHED_DEADLINE")" +
                             rest + "}}"));
  };
  EXPECT_EQ(error(R"(, "deadline": 5000)"),
            "process.scheduler.runtime: SCHED_DEADLINE wants 1024 ns or more");
  EXPECT_EQ(error(R"(, "runtime": 5000)"), "process.scheduler.deadline: SCHED_DEADLINE wants one");
  EXPECT_EQ(error(R"(, "runtime": 5000, "deadline": 4000)"),
            "process.scheduler.runtime: lies above deadline");
  EXPECT_EQ(error(R"(, "runtime": 2000, "deadline": 4000, "period": 3000)"),
            "process.scheduler.deadline: lies above period");
}

TEST(Config, MemoryPolicyAndRdma) {
  Linux linux = parse_config(document(R"("linux": {
    "memoryPolicy": {"mode": "MPOL_INTERLEAVE", "nodes": "0-1,9", "flags": ["MPOL_F_STATIC_NODES"]},
    "resources": {"rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}}}})"))
                    .linux;
  ASSERT_TRUE(linux.memory_policy);
  EXPECT_EQ(linux.memory_policy->mode, 3 | 1 << 15);
  EXPECT_EQ(linux.memory_policy->nodes, std::string("\3\2\0\0\0\0\0\0", 8));
  EXPECT_EQ(linux.resources.rdma.at(0).second, "hca_handle=3 hca_object=10000");
}

TEST(Config, UnknownFieldsAndNullsAreIgnored) {
  ContainerSpec spec = parse_config(
      document(R"("x": 1, "linux": null, "process": {"cwd": "/", "y": [], "user": {"z": 0}})"));
  EXPECT_EQ(spec.process.cwd, "/");
}

Mount mount_of(const std::string& rest) {
  auto text = document(R"("mounts": [{"destination": "/d", )" + rest + "}]");
  return parse_config(text).mounts.at(0);
}

TEST(Config, MountOptionsBecomeFlagsAttributesAndData) {
  Mount tmpfs =
      mount_of(R"("type": "tmpfs", "options": ["nosuid", "mode=755", "ro", "rw", "size=1m"])");
  EXPECT_EQ(tmpfs.flags, static_cast<unsigned long>(MS_NOSUID));
  EXPECT_EQ(tmpfs.data, "mode=755,size=1m");
  Mount bind =
      mount_of(R"("source": "/s", "options": ["rbind", "ro", "rnoexec", "rslave", "noatime"])");
  EXPECT_EQ(bind.type, "bind");
  EXPECT_TRUE(bind.recursive);
  EXPECT_TRUE(bind.top_only);
  EXPECT_EQ(bind.attributes, launch::kAttrReadOnly | launch::kAttrNoAccessTime);
  EXPECT_EQ(bind.attributes_cleared, launch::kAttrAccessTime);
  EXPECT_EQ(bind.all_attributes, launch::kAttrNoExec);
  EXPECT_EQ(bind.propagation, static_cast<uint64_t>(MS_SLAVE));
  EXPECT_TRUE(bind.all_propagation);
  EXPECT_TRUE(mount_of(R"("type": "tmpfs", "options": ["tmpcopyup"])").copy_up);
}

TEST(Config, ProcessAttributes) {
  Process p = parse_process_document(R"({"cwd": "/", "args": ["a"],
    "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [5, 6]},
    "capabilities": {"bounding": ["CAP_KILL"], "ambient": ["CAP_CHOWN", "CAP_NO_SUCH"]},
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
    "scheduler": {"policy": "SCHED_BATCH", "nice": 5},
    "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 4},
    "execCPUAffinity": {"final": "0-1,9"}})");
  EXPECT_EQ(p.umask, 63U);
  EXPECT_EQ(p.user.additional_gids, (std::vector<uint32_t>{5, 6}));
  EXPECT_EQ(p.capabilities.bounding, 1U << 5U);
  EXPECT_EQ(p.capabilities.ambient, 1U);
  EXPECT_EQ(p.unknown_capabilities,
            std::vector<std::string>{"capabilities.ambient: \"CAP_NO_SUCH\" is not known"});
  EXPECT_EQ(p.scheduler->nice, 5);
  EXPECT_EQ(p.io_priority->io_class, 3);
  EXPECT_EQ(p.final_affinity, std::string("\x03\x02\0\0\0\0\0\0", 8));
}

TEST(Config, LinuxAttributes) {
  Linux l = parse_config(document(R"("linux": {
    "namespaces": [{"type": "mount"}, {"type": "time"}, {"type": "network", "path": "/n"}],
    "timeOffsets": {"boottime": {"secs": -3, "nanosecs": 4}},
    "sysctl": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0/1.forwarding": "0"},
    "rootfsPropagation": "rslave", "personality": {"domain": "LINUX32"},
    "devices": [{"path": "/dev/x", "type": "b", "major": 8, "minor": 1, "fileMode": 384}],
    "resources": {"unified": {"memory.high": "1"}, "pids": {"limit": -1}},
    "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
      "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
                    "args": [{"index": 1, "value": 7, "op": "SCMP_CMP_EQ"}]}]}})"))
                .linux;
  EXPECT_EQ(l.new_namespaces, CLONE_NEWNS | launch::kCloneNewTime);
  EXPECT_EQ(l.namespace_paths.at(0).path, "/n");
  EXPECT_EQ(l.time_offsets.at(0).seconds, -3);
  EXPECT_EQ(l.rootfs_propagation, static_cast<uint64_t>(MS_SLAVE | MS_REC));
  EXPECT_EQ(l.personality, 8U);
  EXPECT_EQ(l.devices.at(0).mode, 0600U);
  EXPECT_EQ(l.resources.pids, -1);
  EXPECT_EQ(l.seccomp_profile->default_errno, 38U);
  EXPECT_EQ(l.seccomp_profile->rules.at(0).arguments.at(0).value, 7U);
  std::vector<std::pair<std::string, std::string>> sysctl = {
      {"net/ipv4/ip_forward", "1"}, {"net/ipv4/conf/eth0.1/forwarding", "0"}};
  EXPECT_EQ(l.sysctl, sysctl);
}

}  // namespace
}  // namespace pcompose::engine::runtime
