#include "engine/runtime/bundle_plan.h"

#include <sched.h>
#include <sys/mount.h>

#include <gtest/gtest.h>

#include "engine/launch/kernel_abi.h"

namespace pcompose::engine::runtime {
namespace {

ContainerSpec spec() {
  ContainerSpec s;
  s.root.path = "/r";
  s.process.args = {"true"};
  s.linux.new_namespaces = CLONE_NEWNS | CLONE_NEWPID;
  return s;
}

std::string text(const ContainerSpec& s) { return bundle_plan(s, {.listener = 5}).str(); }

bool in_order(const std::string& all, std::initializer_list<const char*> parts) {
  size_t at = 0;
  for (const char* part : parts) {
    at = all.find(part, at);
    if (at == std::string::npos) return false;
  }
  return true;
}

TEST(BundlePlan, ParksBetweenTheRootAndTheIdentity) {
  std::string plan = text(spec());
  EXPECT_TRUE(plan.starts_with("clone mnt,pid\n")) << plan;
  EXPECT_TRUE(in_order(plan, {"take the root /r", "pivot", "find true", "park", "bound", "become",
                              "set capabilities", "exec true"}))
      << plan;
}

TEST(BundlePlan, HooksRunWhenAllIsMountedAndTheRootIsNotEntered) {
  ContainerSpec s = spec();
  s.hooks.create_runtime = {{.path = "/h"}};
  s.linux.masked_paths = {"/proc/kcore"};
  EXPECT_TRUE(in_order(text(s), {"make link", "wait for hooks", "mask", "pivot"})) << text(s);
}

TEST(BundlePlan, NetworkDevicesAreThereBeforeTheHooks) {
  ContainerSpec s = spec();
  s.hooks.create_runtime = {{.path = "/h"}};
  s.linux.new_namespaces |= CLONE_NEWNET;
  s.linux.net_devices = {{"eth1", "eth0"}};
  EXPECT_TRUE(in_order(text(s), {"bring up lo", "wait for network devices", "wait for hooks"}))
      << text(s);
}

TEST(BundlePlan, ATimeNamespaceTakesAFork) {
  ContainerSpec s = spec();
  s.linux.new_namespaces |= launch::kCloneNewTime;
  s.linux.time_offsets = {{"monotonic", 5, 6}};
  std::string plan = text(s);
  EXPECT_TRUE(in_order(plan, {"clone mnt\n", "new namespace pid,time",
                              "set timens_offsets to monotonic 5 6", "fork inside"}))
      << plan;
}

TEST(BundlePlan, OthersNamespacesAreEnteredOnBothSidesOfOurUserNamespace) {
  ContainerSpec s = spec();
  s.linux.new_namespaces |= CLONE_NEWUSER;
  s.linux.namespaces = {{CLONE_NEWNET, 9}};
  std::string plan = text(s);
  EXPECT_TRUE(in_order(plan, {"clone \n", "enter net", "new namespace user", "wait for the id maps",
                              "become root", "undumpable", "enter net", "new namespace mnt,pid"}))
      << plan;
}

TEST(BundlePlan, AUserNamespaceBindsNodes) {
  ContainerSpec s = spec();
  s.linux.new_namespaces |= CLONE_NEWUSER;
  EXPECT_NE(text(s).find("bind /dev/null on /dev/null"), std::string::npos);
  EXPECT_EQ(text(s).find("make node"), std::string::npos);
}

TEST(BundlePlan, TheHostSeesSharedRootsOnly) {
  ContainerSpec s = spec();
  EXPECT_TRUE(in_order(text(s), {"set the propagation of / to 0x84000"}));  // MS_REC | MS_SLAVE
  s.linux.rootfs_propagation = MS_SHARED;
  std::string shared = bundle_plan(s, {.listener = 5, .root_parent_mount = "/m"}).str();
  EXPECT_TRUE(
      in_order(shared, {"of / to 0x104000", "of /m to 0x40000", "pivot", "of / to 0x100000"}))
      << shared;
}

TEST(CgroupMounts, AHybridHostHasOneForEachHierarchy) {
  std::vector<Hierarchy> hybrid = {{"/c/memory", {"memory"}, false}, {"/c/unified", {}, true}};
  Mount m;
  m.type = "cgroup";
  m.destination = "/sys/fs/cgroup";
  auto mounts = cgroup_mounts(m, hybrid, {}, true);
  ASSERT_EQ(mounts.size(), 3U);
  EXPECT_EQ(mounts[0].type, "tmpfs");
  EXPECT_EQ(mounts[1].destination, "/sys/fs/cgroup/memory");
  EXPECT_EQ(mounts[1].data, "memory");
  EXPECT_EQ(mounts[2].type, "cgroup2");
}

}  // namespace
}  // namespace pcompose::engine::runtime
