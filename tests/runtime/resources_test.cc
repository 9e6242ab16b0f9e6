// Limits, groups and device rules: what is written where.
#include <csignal>
#include <linux/bpf.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/runtime/control_group.h"
#include "engine/runtime/device_rules.h"
#include "engine/runtime/names.h"
#include "engine/runtime/resource_files.h"

namespace pcompose::engine::runtime {
namespace {

std::string text(const std::vector<ResourceWrite>& writes) {
  std::string out;
  for (const auto& w : writes) out += w.file + "=" + w.value + "\n";
  return out;
}

Resources some_resources() {
  Resources r;
  r.memory.limit = 1 << 20;
  r.memory.swap = 3 << 20;
  r.cpu.shares = 1024;
  r.cpu.quota = 50000;
  r.cpu.period = 100000;
  r.pids = 7;
  r.block_io.read_bytes = {{.major = 8, .minor = 0, .rate = 10}};
  r.huge_pages = {{"2MB", 4}};
  return r;
}

TEST(Resources, V1) {
  EXPECT_EQ(text(resource_writes_v1(some_resources())),
            "memory.limit_in_bytes=1048576\nmemory.memsw.limit_in_bytes=3145728\n"
            "cpu.shares=1024\ncpu.cfs_period_us=100000\ncpu.cfs_quota_us=50000\npids.max=7\n"
            "blkio.throttle.read_bps_device=8:0 10\nhugetlb.2MB.limit_in_bytes=4\n");
}

TEST(Resources, V2CountsSwapAlone) {
  EXPECT_EQ(text(resource_writes_v2(some_resources())),
            "memory.max=1048576\nmemory.swap.max=2097152\ncpu.weight=39\ncpu.max=50000 100000\n"
            "pids.max=7\nio.max=8:0 rbps=10\nhugetlb.2MB.max=4\n");
}

TEST(Resources, ErrorsNameThePlace) {
  Resources r;
  r.unified = {{"memory.high", "1"}};
  EXPECT_THROW(resource_writes_v1(r), Error);
  EXPECT_EQ(resource_writes_v2(r).at(0).place, "linux.resources.unified.memory.high");
  r = {};
  r.cpu.realtime_runtime = 5;
  EXPECT_THROW(resource_writes_v2(r), Error);
}

TEST(Resources, WeightsKeepTheirEnds) {
  EXPECT_EQ(weight_of_shares(0), 1U);
  EXPECT_EQ(weight_of_shares(262144), 10000U);
  EXPECT_EQ(io_weight_of(10), 1U);
  EXPECT_EQ(io_weight_of(1000), 10000U);
}

constexpr const char* kHybrid =
    "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

TEST(Hierarchies, AreThoseOfMountinfo) {
  auto all = parse_hierarchies(kHybrid);
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].controllers, (std::vector<std::string>{"cpu", "cpuacct"}));
  EXPECT_EQ(all[2].controllers, std::vector<std::string>{"name=systemd"});
  EXPECT_TRUE(all[3].v2);
  std::string mine = "4:memory:/a\n2:cpu,cpuacct:/b\n1:name=systemd:/c\n0::/d\n";
  EXPECT_EQ(path_in_hierarchy(mine, all[0]), "/b");
  EXPECT_EQ(path_in_hierarchy(mine, all[1]), "/a");
  EXPECT_EQ(path_in_hierarchy(mine, all[2]), "/c");
  EXPECT_EQ(path_in_hierarchy(mine, all[3]), "/d");
}

// Interprets the program as the kernel would: what cgroup-v2 would answer.
bool allowed(const std::vector<bpf_insn>& program, uint32_t type, uint32_t access, uint32_t major,
             uint32_t minor) {
  uint32_t context[3] = {access << 16U | type, major, minor};
  uint64_t r[11] = {};
  for (size_t at = 0; at < program.size(); ++at) {
    const bpf_insn& i = program[at];
    bool jump = false;
    switch (i.code) {
      case BPF_LDX | BPF_MEM | BPF_W:
        r[i.dst_reg] = context[i.off / 4];
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        r[i.dst_reg] &= static_cast<uint32_t>(i.imm);
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        r[i.dst_reg] >>= static_cast<uint32_t>(i.imm);
        break;
      case BPF_ALU | BPF_MOV | BPF_X:
        r[i.dst_reg] = r[i.src_reg];
        break;
      case BPF_ALU64 | BPF_MOV | BPF_K:
        r[i.dst_reg] = static_cast<uint64_t>(i.imm);
        break;
      case BPF_JMP | BPF_JNE | BPF_K:
        jump = r[i.dst_reg] != static_cast<uint64_t>(i.imm);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump = r[i.dst_reg] == static_cast<uint64_t>(i.imm);
        break;
      case BPF_JMP | BPF_EXIT:
        return r[0] != 0;
      default:
        ADD_FAILURE() << "unexpected instruction " << static_cast<int>(i.code);
        return false;
    }
    if (jump) at += static_cast<size_t>(i.off);
  }
  ADD_FAILURE() << "no exit";
  return false;
}

TEST(DeviceRules, TheLastThatFitsDecides) {
  std::vector<DeviceRule> rules = {{.allow = false},
                                   {.allow = true, .type = 'c', .major = 1, .minor = 3},
                                   {.allow = true, .type = 'b', .major = 8, .access = "r"},
                                   {.allow = false, .type = 'b', .major = 8, .minor = 1}};
  auto program = device_program(rules);
  uint32_t b = BPF_DEVCG_DEV_BLOCK, c = BPF_DEVCG_DEV_CHAR, read = BPF_DEVCG_ACC_READ,
           write = BPF_DEVCG_ACC_WRITE;
  EXPECT_TRUE(allowed(program, c, read | write, 1, 3));
  EXPECT_FALSE(allowed(program, c, read, 1, 5));
  EXPECT_FALSE(allowed(program, b, read, 1, 3));
  EXPECT_TRUE(allowed(program, b, read, 8, 0));
  EXPECT_FALSE(allowed(program, b, read | write, 8, 0));
  EXPECT_FALSE(allowed(program, b, read, 8, 1));
  EXPECT_EQ(rule_text(rules[2]), "b 8:* r");
}

TEST(DeviceRules, DefaultsComeOnlyWhereAllIsDenied) {
  Linux linux;
  EXPECT_TRUE(effective_rules(linux).empty());
  linux.resources.devices = {{.allow = false}};
  size_t defaults = effective_rules(linux).size();
  EXPECT_GT(defaults, 9U);
  linux.devices = {{.path = "/dev/k", .host_path = "", .type = 'c', .major = 1, .minor = 11}};
  EXPECT_EQ(effective_rules(linux).size(), defaults + 1);
  EXPECT_EQ(rule_text(effective_rules(linux).back()), "c 1:11 rwm");
  // What a rule says of the device itself is not widened.
  linux.resources.devices.push_back(
      {.allow = true, .type = 'c', .major = 1, .minor = 11, .access = "r"});
  EXPECT_EQ(effective_rules(linux).size(), defaults + 1);
  EXPECT_NE(rule_text(effective_rules(linux).back()), "c 1:11 rwm");
}

TEST(Names, SignalsAndCapabilities) {
  EXPECT_EQ(signal_number("TERM"), 15);
  EXPECT_EQ(signal_number("sigkill"), 9);
  EXPECT_EQ(signal_number("0"), 0);
  EXPECT_EQ(signal_number("RTMIN+1"), SIGRTMIN + 1);
  EXPECT_FALSE(signal_number("RTMIN+99"));
  EXPECT_FALSE(signal_number("nosuch"));
  EXPECT_EQ(capability_number("net_admin"), 12);
  EXPECT_FALSE(capability_number("CAP_"));
  EXPECT_FALSE(processor_bits("3-1"));
}

}  // namespace
}  // namespace pcompose::engine::runtime
