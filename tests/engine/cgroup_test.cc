#include "engine/cgroup.h"

#include <gtest/gtest.h>

#include "engine/unit.h"

namespace pcompose::engine {
namespace {

TEST(Cgroup, FindsHierarchiesOfAHybridHost) {
  auto found = joined_hierarchies(
      "30 24 0:26 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 none rw\n"
      "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "32 24 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
      "33 24 0:29 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"
      "34 24 0:30 / /proc rw - proc proc rw\n");
  ASSERT_EQ(found.size(), 3U);
  EXPECT_TRUE(found[0].v2);
  EXPECT_EQ(found[1].mount, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(found[2].controllers, std::vector<std::string>{"devices"});
}

TEST(Cgroup, FindsTheOneHierarchyOfV2) {
  auto found = joined_hierarchies("25 1 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].v2);
}

Roots root_of(const std::string& tag) {
  Roots roots;
  roots.tag = tag;
  return roots;
}

TEST(Unit, IsRecognisedByTheEndOfTheGroup) {
  std::string name = unit_name(root_of("pcompose-1a2b3c"), "shop");
  EXPECT_EQ(name, "pcompose-1a2b3c-shop.scope");
  std::string group = "/system.slice/" + name;
  EXPECT_EQ(group_of_unit("0::" + group + "/keeper\n", name), group);
  EXPECT_EQ(group_of_unit("0::" + group + "\n", name), group) << "while it is being moved";
  EXPECT_EQ(group_of_unit("3:cpu:" + group + "\n0::/user.slice\n", name), "") << "v1's is not ours";
  EXPECT_EQ(group_of_unit("0::/x-" + name + "/keeper\n", name), "");
  EXPECT_EQ(group_of_unit("0::" + group + "/pcompose-1a2b3c/0123456789ab\n", name), "")
      << "in a container";
}

}  // namespace
}  // namespace pcompose::engine
