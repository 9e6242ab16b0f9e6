#include "scheduler/cdi.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::scheduler {
namespace {

std::string failure(const std::string& text) {
  try {
    parse_cdi(text, "toys.yaml");
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

constexpr const char* kHead = "cdiVersion: 0.6.0\nkind: example.com/toy\n";

TEST(Cdi, NamesHaveAVendorAClassAndADevice) {
  for (const char* good : {"nvidia.com/gpu=all", "a/b=0", "ex-ample.com/my_class=GPU-1:2.3"})
    EXPECT_TRUE(is_cdi_name(good)) << good;
  for (const char* bad :
       {"/dev/sda", "nvidia.com/gpu", "gpu=all", "a/b=", "/b=c", "a/=c", "a/b=c/d", "a b/c=d", ""})
    EXPECT_FALSE(is_cdi_name(bad)) << bad;
}

TEST(Cdi, ReadsWhatADeviceChanges) {
  CdiSpec spec = parse_cdi(std::string(kHead) + R"(containerEdits: {env: [A=1]}
devices:
- name: one
  containerEdits:
    deviceNodes: [{path: /dev/t, type: b, major: 7, minor: 0, fileMode: 416, uid: 5, permissions: rw}]
    mounts: [{hostPath: /a, containerPath: /b, options: [ro, nosuid, rbind]}]
    additionalGids: [9]
    hooks: [{hookName: createContainer, path: /bin/x, args: [x, y], env: [A=b], timeout: 3}]
)",
                           "toys.yaml");
  EXPECT_EQ(spec.all.environment, std::vector<std::string>{"A=1"});
  const CdiEdits& one = spec.devices.at("one");
  ASSERT_EQ(one.nodes.size(), 1U);
  EXPECT_EQ(one.nodes[0].device.type, 'b');
  EXPECT_EQ(one.nodes[0].device.major, 7U);
  EXPECT_EQ(one.nodes[0].device.mode, 0640U);
  EXPECT_EQ(one.nodes[0].device.uid, 5U);
  EXPECT_EQ(one.nodes[0].permissions, "rw");
  EXPECT_TRUE(one.nodes[0].is_known);
  ASSERT_EQ(one.mounts.size(), 1U);
  EXPECT_EQ(one.mounts[0].type, "bind");
  EXPECT_TRUE(one.mounts[0].recursive);
  EXPECT_NE(one.mounts[0].attributes, 0U);
  EXPECT_EQ(one.groups, std::vector<uint32_t>{9});
  ASSERT_EQ(one.hooks.create_container.size(), 1U);
  EXPECT_EQ(one.hooks.create_container[0].path, "/bin/x");
  EXPECT_EQ(one.hooks.create_container[0].args, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(one.hooks.create_container[0].timeout, 3);
  EXPECT_EQ(one.refused, "");
}

TEST(Cdi, SaysWhatIsWrongAndWhere) {
  EXPECT_NE(failure("kind: a/b\n").find("toys.yaml:1:1: cdiVersion is missing"), std::string::npos);
  EXPECT_NE(failure("cdiVersion: 1.0.0\nkind: toy\n").find("toy is no VENDOR/CLASS"),
            std::string::npos);
  EXPECT_NE(failure(std::string(kHead) + "devices: {a: b}\n").find("devices is no list"),
            std::string::npos);
  EXPECT_NE(failure(std::string(kHead) + "devices: [{name: a}, {name: a}]\n").find("twice"),
            std::string::npos);
  std::string edits = std::string(kHead) + "devices:\n- name: a\n  containerEdits: ";
  EXPECT_NE(failure(edits + "{deviceNodes: [{path: dev}]}\n").find("dev is no absolute path"),
            std::string::npos);
  EXPECT_NE(failure(edits + "{deviceNodes: [{path: /d, major: -1}]}\n").find("no number"),
            std::string::npos);
  EXPECT_NE(failure(edits + "{deviceNodes: [{path: /d, type: x}]}\n").find("no type of a device"),
            std::string::npos);
  EXPECT_NE(
      failure(edits + "{mounts: [{hostPath: /a, containerPath: /b, options: [up]}]}\n").find("up"),
      std::string::npos);
  EXPECT_NE(failure(edits + "{env: [A]}\n").find("NAME=VALUE"), std::string::npos);
  EXPECT_NE(failure("[").find("toys.yaml"), std::string::npos);
  EXPECT_NE(failure(""), "none");
}

TEST(Cdi, ALaterDirectoryGoesFirstAndTwoFilesConflict) {
  fixture::TemporaryDirectory directory("/tmp");
  auto write = [&](const std::string& name, const std::string& value) {
    std::filesystem::create_directories(std::filesystem::path(directory / name).parent_path());
    std::ofstream(directory / name)
        << kHead << "devices:\n- name: a\n  containerEdits: {env: [V=" << value << "]}\n";
  };
  write("etc/one.yaml", "etc");
  write("run/one.json.yaml", "run");
  std::vector<std::string> both = {directory / "etc", directory / "run", directory / "none"};
  EXPECT_EQ(CdiRegistry(both).edits_for({"example.com/toy=a"}).environment.at(0), "V=run");
  write("run/two.yaml", "again");
  EXPECT_THROW(static_cast<void>(CdiRegistry(both).edits_for({"example.com/toy=a"})), Error);
  EXPECT_EQ(CdiRegistry(both).kinds_of("toy"), std::vector<std::string>{"example.com/toy"});
}

}  // namespace
}  // namespace pcompose::scheduler
