#include "engine/plan.h"

#include <sched.h>

#include <gtest/gtest.h>

#include "engine/launch/child.h"

namespace pcompose::engine {
namespace {

ContainerSpec spec() {
  ContainerSpec s;
  s.hostname = "web";
  s.root = {.links = "/l", .lower = {"B", "A"}, .upper = "/u", .work = "/w", .path = "/m"};
  Mount proc;
  proc.type = "proc";
  proc.destination = "/proc";
  s.mounts = {proc};
  s.linux.new_namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP;
  s.linux.cgroup_procs = {"/sys/fs/cgroup/x/cgroup.procs"};
  s.linux.masked_paths = {"/proc/kcore"};
  s.process.args = {"sleep", "1"};
  s.process.env = {"A=B"};
  s.process.capabilities = default_capabilities();
  return s;
}

TEST(Plan, PrepareInOrder) {
  EXPECT_EQ(prepare_plan(spec()).str(),
            "clone mnt,pid\n"
            "join cgroup /sys/fs/cgroup/x/cgroup.procs\n"
            "new namespace cgroup\n"
            "make mounts private\n"
            "mount overlay lowerdir=B:A,upperdir=/u,workdir=/w\n"
            "mount proc on /proc flags 0x0 \n"
            "make node /dev/null\nmake node /dev/zero\nmake node /dev/full\nmake node /dev/random\n"
            "make node /dev/urandom\nmake node /dev/tty\n"
            "make link /dev/fd to /proc/self/fd\nmake link /dev/stdin to /proc/self/fd/0\n"
            "make link /dev/stdout to /proc/self/fd/1\nmake link /dev/stderr to /proc/self/fd/2\n"
            "make link /dev/ptmx to pts/ptmx\n"
            "mask /proc/kcore\n"
            "pivot to the new root\n"
            "set hostname web\n"
            "new session\n"
            "new session keyring\n"
            "park\n");
}

TEST(Plan, TheFilterComesBeforeTheCapabilitiesGo) {
  ContainerSpec s = spec();
  s.linux.seccomp = std::string(16, 'x');
  std::string text = start_plan(s).str();
  EXPECT_LT(text.find("load the seccomp filter"), text.find("set capabilities"));
  s.process.no_new_privileges = true;
  text = start_plan(s).str();
  EXPECT_GT(text.find("load the seccomp filter"), text.find("set no_new_privs"));
  EXPECT_GT(text.find("set no_new_privs"), text.find("set capabilities"));
}

TEST(Plan, BytesAreSound) {
  std::string bytes = start_plan(spec()).bytes();
  auto data = reinterpret_cast<const uint8_t*>(bytes.data());
  EXPECT_TRUE(launch::plan_is_sound(data, static_cast<uint32_t>(bytes.size()), 0));
  EXPECT_FALSE(launch::plan_is_sound(data, static_cast<uint32_t>(bytes.size()) - 1, 0));
}

TEST(Plan, DamagedBytesAreRefused) {
  std::string bytes = prepare_plan(spec()).bytes();
  auto sound = [&](const std::string& b) {
    return launch::plan_is_sound(reinterpret_cast<const uint8_t*>(b.data()),
                                 static_cast<uint32_t>(b.size()), 0);
  };
  ASSERT_TRUE(sound(bytes));
  std::string damaged = bytes;
  damaged[0] ^= 1;
  EXPECT_FALSE(sound(damaged));
  launch::Op op;
  op.s1 = static_cast<uint32_t>(bytes.size()) + 100;
  damaged = bytes;
  damaged.replace(sizeof(launch::PlanHeader), sizeof op, reinterpret_cast<const char*>(&op),
                  sizeof op);
  EXPECT_FALSE(sound(damaged));
}

}  // namespace
}  // namespace pcompose::engine
