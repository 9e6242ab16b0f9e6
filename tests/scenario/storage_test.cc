// Containers whose files cannot be in an overlay of the kernel's: it takes no overlay to write to,
// and that is where the root directory of these tests is.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/fixture/busybox_image.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/ordinary_user.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Storage : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    for (const char* name : {"lower", "upper", "work", "root"}) {
      fs::create_directory(file(name));
      give_to_user(file(name));
    }
    std::string options =
        "lowerdir=" + file("lower") + ",upperdir=" + file("upper") + ",workdir=" + file("work");
    ASSERT_EQ(::mount("overlay", file("root").c_str(), "overlay", 0, options.c_str()), 0);
    before_ = std::getenv("PCOMPOSE_ROOT");
    ::setenv("PCOMPOSE_ROOT", file("root").c_str(), 1);
    census_ = take_census(file("root"));
    write_image();
  }
  void TearDown() override {
    pcompose({"down", "-v", "-t", "0"});
    EXPECT_EQ(difference_from(census_, file("root")), "");
    if (HasFailure()) show_logs();
    EXPECT_TRUE(eventually([&] { return ::umount2(file("root").c_str(), 0) == 0; }));
    ::unsetenv("PCOMPOSE_STORAGE");
    ::setenv("PCOMPOSE_ROOT", before_.c_str(), 1);
    fs::remove(file("compose.yaml"));
    StackTest::TearDown();
  }
  // Layers that have to be put together right.
  void write_image() {
    fixture::ImageParts parts;
    parts.config = R"({"Cmd":["sleep","1000"],"Env":["PATH=/bin"],"StopSignal":"SIGKILL"})";
    parts.layers = {fixture::busybox_layer(),
                    fixture::make_tar({{.path = "d", .type = 'd'},
                                       {.path = "d/gone", .content = "1"},
                                       {.path = "d/stays", .content = "stays"},
                                       {.path = "opaque", .type = 'd'},
                                       {.path = "opaque/gone", .content = "1"},
                                       {.path = "became", .type = 'd'},
                                       {.path = "became/gone", .content = "1"}}),
                    fixture::make_tar({{.path = "d/.wh.gone"},
                                       {.path = "d/new", .content = "new", .mode = 04755, .uid = 7},
                                       {.path = "d/also", .type = 'h', .content = "d/new"},
                                       {.path = "opaque/.wh..wh..opq"},
                                       {.path = "opaque/new", .content = "new"},
                                       {.path = "became", .content = "a file"}})};
    fixture::write_layout(file("image"), parts);
    expect(0, {"image", "load", "--name", "box:1", file("image")});
  }
  std::string inside(const std::string& command) {
    return expect(0, {"exec", "-T", "w", "sh", "-c", command}).out;
  }
  void expect_image_is_whole() {
    EXPECT_EQ(inside("ls -R /d /opaque; cat /d/new /became; stat -c '%a %u %h' /d/also"),
              "/d:\nalso\nnew\nstays\n\n/opaque:\nnew\nnewa file4755 7 2\n");
  }
  void show_logs() {
    for (const auto& log : fs::directory_iterator(file("root/log")))
      std::cerr << read_file(log.path()) << "\n";
  }
  std::string logs() {
    std::string out;
    for (const auto& log : fs::directory_iterator(file("root/log"))) out += read_file(log.path());
    return out;
  }
  // Both ways, while it runs and while it does not.
  void expect_files_come_and_go() {
    write("own", "mine");
    expect(0, {"cp", "own", "w:/tmp/mine"});
    EXPECT_EQ(inside("cat /tmp/mine; echo back >/tmp/back"), "mine");
    expect(0, {"cp", "w:/tmp/back", "back"});
    EXPECT_EQ(read_file(file("back")), "back\n");
    expect(0, {"export", "-o", file("running.tar"), "w"});
    EXPECT_THAT(read_file(file("running.tar")), HasSubstr("tmp/back"));
  }

  std::string before_;
  Census census_;
};

constexpr const char* kService = "services:\n  w: {image: 'box:1', init: true}\n";

TEST_F(Storage, FuseOverlayfsServesWhereOverlayRefuses) {
  compose(kService);
  Result up = expect(0, {"up", "-d"});
  EXPECT_THAT(up.err, HasSubstr("runs on fuse-overlayfs, which is slow: overlayfs refuses to write "
                                "to " +
                                file("root") + " (overlay); set PCOMPOSE_ROOT"));
  EXPECT_THAT(expect(0, {"ps"}).out, HasSubstr("runs on fuse-overlayfs"));
  EXPECT_THAT(inside("grep ' / ' /proc/mounts"), HasSubstr("fuse-overlayfs"));
  expect_image_is_whole();
  inside("rm /d/stays; echo kept >/kept; mknod /tmp/fifo p");
  expect(0, {"restart", "-t", "0"});
  EXPECT_EQ(inside("cat /kept; ls /d"), "kept\nalso\nnew\n");
  expect_files_come_and_go();
}

TEST_F(Storage, OneThatDoesNotRunHasItsFiles) {
  compose(kService);
  expect(0, {"up", "-d"});
  inside("echo kept >/kept");
  expect(0, {"stop", "-t", "0"});
  expect(0, {"cp", "w:/kept", "kept"});
  EXPECT_EQ(read_file(file("kept")), "kept\n");
  write("own", "mine");
  expect(0, {"cp", "own", "w:/mine"});
  expect(0, {"export", "-o", file("all.tar"), "w"});
  EXPECT_THAT(read_file(file("all.tar")), HasSubstr("mine"));
  expect(0, {"start"});
  EXPECT_EQ(inside("cat /mine"), "mine");
}

TEST_F(Storage, AServedContainerOutlivesSupervisorAndKeeper) {
  compose(kService);
  expect(0, {"up", "-d"});
  for (const char* program : {"pcompose-supervisor", "pcompose-keeper"}) {
    pid_t pid = process(program, file("root"));
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(eventually([&] {
      pid_t now = process(program, file("root"));
      return now > 0 && now != pid;
    }));
    EXPECT_TRUE(eventually([&] { return state("w") == "running"; }));
    inside("cat /d/new; echo x >>/more");
  }
  expect(0, {"kill"});
  EXPECT_TRUE(eventually([&] { return state("w") == "exited"; }));
  expect(0, {"start"});
  EXPECT_EQ(inside("cat /more"), "x\nx\n");
}

TEST_F(Storage, WithoutItTheImageIsCopied) {
  ::setenv("PCOMPOSE_STORAGE", "copy", 1);
  compose(kService);
  Result up = expect(0, {"up", "-d"});
  EXPECT_THAT(up.err, Not(HasSubstr("slow")));  // it was asked for
  EXPECT_THAT(inside("grep ' / ' /proc/mounts"), Not(HasSubstr("fuse-overlayfs")));
  expect_image_is_whole();
  inside("rm /d/stays; echo kept >/kept");
  ::unsetenv("PCOMPOSE_STORAGE");
  expect(0, {"restart", "-t", "0"});
  EXPECT_EQ(inside("cat /kept; ls /d"), "kept\nalso\nnew\n");
  expect_files_come_and_go();
  expect(0, {"stop", "-t", "0"});
  expect(0, {"cp", "w:/kept", "kept"});
  EXPECT_EQ(read_file(file("kept")), "kept\n");
}

// Nobody has installed it, or nobody may open /dev/fuse.
TEST_F(Storage, WhereNeitherServesTheImageIsCopied) {
  ASSERT_EQ(::mount("/dev/null", "/dev/fuse", nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, "/dev/fuse", nullptr, MS_REMOUNT | MS_BIND | MS_NODEV, nullptr), 0);
  compose("services:\n  w: {image: 'box:1', init: true}\n  v: {image: 'box:1', init: true}\n");
  Result up = expect(0, {"up", "-d"});
  constexpr std::string_view kSlow = "runs on a copy of its image, which is slow";
  size_t first = up.err.find(kSlow);
  EXPECT_NE(first, std::string::npos) << up.err;
  EXPECT_EQ(up.err.find(kSlow, first + 1), std::string::npos) << up.err;  // once
  EXPECT_THAT(logs(), HasSubstr("overlayfs refuses to write to " + file("root") + " (overlay)"));
  expect_image_is_whole();
  ::setenv("PCOMPOSE_STORAGE", "fuse-overlayfs", 1);
  expect(0, {"down", "-t", "0"});
  EXPECT_THAT(expect(1, {"up", "-d"}).err, HasSubstr("/dev/fuse cannot be opened"));
  ::umount2("/dev/fuse", MNT_DETACH);
}

class StorageOfAnotherRuntime : public Storage {
 protected:
  void SetUp() override {
    ::umount2("/sys/fs/cgroup/unified", MNT_DETACH);  // see runtime_test.cc
    Storage::SetUp();
  }
};

TEST_F(StorageOfAnotherRuntime, IsServedAndCopiedToo) {
  if (fixture::is_rootless()) GTEST_SKIP() << "an ordinary user has no runtime of others";
  if (::access("/usr/bin/crun", X_OK) != 0) GTEST_SKIP() << "needs crun";
  for (const char* program : {"crun", "runc"}) {
    if (::access(fmt::format("/usr/bin/{}", program).c_str(), X_OK) != 0 &&
        ::access(fmt::format("/usr/sbin/{}", program).c_str(), X_OK) != 0)
      continue;
    for (const char* storage : {"", "copy"}) {
      SCOPED_TRACE(fmt::format("{} {}", program, storage));
      ::setenv("PCOMPOSE_STORAGE", storage, 1);
      compose(
          fmt::format("services:\n  w: {{image: 'box:1', init: true, runtime: {}, volumes: "
                      "['data:/data']}}\nvolumes: {{data: {{}}}}\n",
                      program));
      expect(0, {"up", "-d"});
      bool served = inside("grep ' / ' /proc/mounts").contains("fuse-overlayfs");
      EXPECT_EQ(served, *storage == '\0');
      expect_image_is_whole();
      inside("rm /d/stays; echo kept >/kept; echo x >/data/x");
      expect_files_come_and_go();
      expect(0, {"stop", "-t", "0"});
      ::unsetenv("PCOMPOSE_STORAGE");
      expect(0, {"start"});
      EXPECT_EQ(inside("cat /kept /data/x; ls /d"), "kept\nx\nalso\nnew\n");
      expect(0, {"down", "-t", "0", "-v"});
    }
  }
}

TEST_F(Storage, OverlayAloneSaysWhatItRefuses) {
  ::setenv("PCOMPOSE_STORAGE", "overlay", 1);
  compose(kService);
  EXPECT_THAT(expect(1, {"up", "-d"}).err,
              HasSubstr("overlayfs refuses to write to " + file("root") + " (overlay)"));
  expect(0, {"down", "-t", "0"});
  ::setenv("PCOMPOSE_STORAGE", "vfs", 1);
  EXPECT_THAT(expect(1, {"up", "-d"}).err,
              HasSubstr("PCOMPOSE_STORAGE is \"vfs\" (set it to overlay, fuse-overlayfs or "
                        "copy"));
}

}  // namespace
}  // namespace pcompose::test
