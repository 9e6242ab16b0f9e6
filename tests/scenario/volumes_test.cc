#include <filesystem>
#include <fstream>
#include <sys/mount.h>

#include <gmock/gmock.h>

#include "base/fd.h"
#include "tests/fixture/image_builder.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class VolumesTest : public StackTest {};

TEST_F(VolumesTest, NamedVolumesOutliveDownAndGoWithIt) {
  compose(
      "services:\n  w: {image: busybox, command: sh -c 'cat /data/x; echo kept > /data/x', "
      "volumes: [data:/data]}\nvolumes: {data: {}}\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  expect(0, {"down"});
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(lines("w"), std::vector<std::string>{"kept"});
  expect(0, {"down", "-v"});
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(lines("w"),
            std::vector<std::string>{"cat: can't open '/data/x': No such file or directory"});
}

TEST_F(VolumesTest, OtherLabelsLeaveContainerAndData) {
  auto up = [&](const std::string& label) {
    compose(
        "services:\n  w: {image: busybox, command: sleep 1000, volumes: ['data:/data']}\n"
        "volumes: {data: {labels: {level: " +
        label + "}}}\n");
    return expect(0, {"up", "-d"});
  };
  up("one");
  expect(0, {"exec", "-T", "w", "touch", "/data/x"});
  std::string id = expect(0, {"ps", "-q"}).out;
  EXPECT_NE(up("two").err.find("_data Relabelled"), std::string::npos);
  EXPECT_NE(expect(0, {"volumes", "--format", "json"}).out.find("level=two"), std::string::npos);
  EXPECT_EQ(expect(0, {"ps", "-q"}).out, id);
  expect(0, {"exec", "-T", "w", "test", "-e", "/data/x"});
  EXPECT_EQ(up("two").err, "");
}

TEST_F(VolumesTest, FirstUseCopiesWhatTheImageHas) {
  compose(
      "services:\n  w: {image: busybox, command: ls /etc, volumes: [conf:/etc]}\nvolumes: {conf: "
      "{}}\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  auto all = lines("w");
  EXPECT_NE(std::find(all.begin(), all.end(), "passwd"), all.end());
}

TEST_F(VolumesTest, AJobWritesByRenameTheFileThatItsDependentBinds) {
  compose(R"(services:
  job:
    image: busybox
    command: sh -c 'echo fresh > /out/conf.new; mv /out/conf.new /out/conf'
    volumes: [./out:/out]
  web:
    image: busybox
    command: cat /conf
    volumes: [./out/conf:/conf:ro]
    depends_on: {job: {condition: service_completed_successfully}}
)");
  write("out/conf", "stale\n");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("web") == "exited"; }));
  EXPECT_EQ(lines("web"), std::vector<std::string>{"fresh"});
}

TEST_F(VolumesTest, AnImageIsMountedReadOnly) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'ls /tools/busybox; ls /all/bin/sh; touch /tools/x 2>&1; true'
    volumes:
      - {type: image, source: busybox, target: /tools, image: {subpath: bin}}
      - {type: image, source: w, target: /all}
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_EQ(lines("w"), (std::vector<std::string>{"/tools/busybox", "/all/bin/sh",
                                                  "touch: /tools/x: Read-only file system"}));
  compose(
      "services:\n  w: {image: busybox, command: ls, pull_policy: never, volumes: [{type: image, "
      "source: no-such-image, target: /t}]}\n");
  EXPECT_NE(expect(1, {"up", "-d"}).err.find("no-such-image"), std::string::npos);
}

TEST_F(VolumesTest, AMountedImageIsInUseAndItsNewDigestIsNoticed) {
  auto load = [&](const std::string& content) {
    fixture::ImageParts parts;
    parts.layers = {fixture::make_tar({{.path = "which", .content = content}})};
    std::filesystem::remove_all(file("tools"));
    fixture::write_layout(file("tools"), parts);
    expect(0, {"image", "load", "--name", "tools:1", file("tools")});
  };
  auto which = [&] { return expect(0, {"exec", "-T", "w", "cat", "/t/which"}).out; };
  load("old");
  compose(
      "services:\n  w: {image: busybox, command: sleep 1000, init: true, volumes: [{type: image, "
      "source: 'tools:1', target: /t}]}\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(which(), "old");
  expect(0, {"image", "prune", "-a", "-f"});
  EXPECT_NE(expect(1, {"image", "rm", "tools:1"}).err.find("in use"), std::string::npos);
  load("new");
  expect(0, {"image", "prune", "-f"});  // the old one has no name any more
  expect(0, {"restart", "-t", "0"});
  EXPECT_EQ(which(), "old");  // the one that it was made with
  expect(0, {"up", "-d"});
  EXPECT_EQ(which(), "new");
  expect(0, {"down", "-t", "0"});
  expect(0, {"image", "rm", "tools:1"});
}

TEST_F(VolumesTest, WhatIsMountedBeneathABind) {
  if (::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr)
    GTEST_SKIP() << "mounts as root, which an ordinary user's binds do not leave out";
  auto bound = [&](const std::string& how) {
    compose(
        "services:\n  w:\n    image: busybox\n    command: sh -c 'ls /m/inner; touch /m/x "
        "/m/inner/y; "
        "true'\n    volumes: [{type: bind, source: ./tree, target: /m, read_only: true, bind: "
        "{recursive: " +
        how + "}}]\n");
    expect(0, {"up", "-d"});
    EXPECT_TRUE(eventually([&] { return state("w") == "exited"; }));
    auto said = lines("w");
    expect(0, {"down"});
    return said;
  };
  write("tree/inner/below", "");
  std::string inner = file("tree/inner");
  ASSERT_EQ(::mount("tmpfs", inner.c_str(), "tmpfs", 0, nullptr), 0);
  std::ofstream(inner + "/mounted") << "x";
  const std::string kAbove = "touch: /m/x: Read-only file system";
  const std::string kInner = "touch: /m/inner/y: Read-only file system";
  using Lines = std::vector<std::string>;
  EXPECT_EQ(bound("enabled"), (Lines{"mounted", kAbove, kInner}));
  EXPECT_EQ(bound("writable"), (Lines{"mounted", kAbove}));
  EXPECT_EQ(bound("readonly"), (Lines{"mounted", "y", kAbove, kInner}));
  EXPECT_EQ(bound("disabled"), (Lines{"below", kAbove, kInner}));
  ASSERT_EQ(::umount2(inner.c_str(), 0), 0);
}

TEST_F(VolumesTest, AMissingBindSourceThatMayNotBeMadeIsAnError) {
  compose(R"(services:
  w:
    image: busybox
    command: sleep 1000
    volumes:
      - {type: bind, source: ./nosuch, target: /x, bind: {create_host_path: false}}
)");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:7:9: "), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("bind source path does not exist: "), std::string::npos) << up.err;
}

TEST_F(VolumesTest, ReadOnlyAndTmpfs) {
  compose(R"(services:
  w:
    image: busybox
    read_only: true
    command: sh -c 'touch /x; touch /ro/x; touch /tmp/x && echo tmp'
    volumes: [./out:/ro:ro]
    tmpfs: [/tmp]
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  EXPECT_THAT(lines("w"),
              testing::UnorderedElementsAre("touch: /x: Read-only file system",
                                            "touch: /ro/x: Read-only file system", "tmp"))
      << "what comes by two streams has no order";
}

TEST_F(VolumesTest, VolumesOfAnotherContainer) {
  write("host/file", "from the host");
  compose(
      "services:\n  a:\n    image: busybox\n    command: [sh, -c, 'echo a > /data/x; echo b > "
      "/anonymous/y; sleep 60']\n    volumes: ['data:/data', /anonymous, './host:/host', "
      "'hidden:/own']\n"
      "  b:\n    image: busybox\n    command: sleep 60\n    volumes_from: ['a:ro']\n"
      "    volumes: ['own:/own']\n"
      "volumes: {data: {}, own: {}, hidden: {}}\n");
  expect(0, {"up", "-d"});
  EXPECT_TRUE(eventually([&] {
    return pcompose({"exec", "-T", "b", "cat", "/data/x", "/anonymous/y", "/host/file"}).out ==
           "a\nb\nfrom the host";
  }));
  expect(1, {"exec", "-T", "b", "touch", "/data/z"});
  expect(0, {"exec", "-T", "b", "touch", "/own/z"});  // its own volume, not that of a
  EXPECT_EQ(expect(0, {"exec", "-T", "a", "ls", "/own"}).out, "");
}

TEST_F(VolumesTest, OptionsOfTheLocalDriver) {
  write("host/file", "there");
  compose(
      "services:\n  w:\n    image: busybox\n    command: sleep 60\n"
      "    volumes: ['bound:/bound', 'memory:/memory']\n"
      "volumes:\n  bound: {driver_opts: {type: none, o: 'bind,ro', device: '" +
      file("host") +
      "'}}\n  memory: {driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m,noexec'}}\n");
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"exec", "-T", "w", "cat", "/bound/file"}).out, "there");
  expect(1, {"exec", "-T", "w", "touch", "/bound/file"});
  std::string mounts = expect(0, {"exec", "-T", "w", "cat", "/proc/mounts"}).out;
  EXPECT_NE(mounts.find("tmpfs /memory tmpfs rw,noexec,relatime,size=1024k"), std::string::npos)
      << mounts;
}

TEST_F(VolumesTest, AWrongOptionIsNamedWithWhatTheKernelSays) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sleep 60\n    volumes: ['mem:/m']\n"
      "volumes:\n  mem: {driver_opts: {type: tmpfs, o: 'sise=1m'}}\n");
  Result up = expect(1, {"up", "-d"});
  EXPECT_NE(up.err.find("compose.yaml:8:3"), std::string::npos) << up.err;
  EXPECT_NE(up.err.find("mount option sise"), std::string::npos) << up.err;
}

TEST_F(VolumesTest, APartOfAVolume) {
  auto file = [](const char* subpath) {
    return std::string(
               "services:\n  fill:\n    image: busybox\n    command: [sh, -c, 'mkdir -p /all/part; "
               "echo x > /all/part/f; ln -s / /all/out']\n    volumes: ['data:/all']\n"
               "  w:\n    image: busybox\n    command: sleep 60\n    depends_on: {fill: "
               "{condition: service_completed_successfully}}\n    volumes:\n      - {type: volume, "
               "source: data, target: /part, volume: {subpath: ") +
           subpath + "}}\nvolumes: {data: {}}\n";
  };
  compose(file("part"));
  expect(0, {"up", "-d"});
  EXPECT_EQ(expect(0, {"exec", "-T", "w", "cat", "/part/f"}).out, "x\n");
  compose(file("out"));
  EXPECT_NE(expect(1, {"up", "-d", "-t", "0"}).err.find("volume "), std::string::npos);
  compose(file("missing"));
  EXPECT_NE(expect(1, {"up", "-d", "-t", "0"}).err.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace pcompose::test
