// The store and its worker, as root: sources on disk become layers that overlayfs stacks.
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/process.h"
#include "base/sha256.h"
#include "engine/images.h"
#include "engine/images/report.h"
#include "tests/fixture/busybox_image.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

namespace fs = std::filesystem;
using fixture::ImageParts;
using fixture::make_tar;
using fixture::TarFile;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

// A read-only overlay of an image's layers, as a container's root has it.
class Mounted {
 public:
  Mounted(const ImageStore& store, const Image& image, std::string at) : at_(std::move(at)) {
    fs::create_directory(at_);
    fs::create_directory(at_ + ".empty");
    std::vector<std::string> lower;
    for (const std::string& link : image.layers)
      lower.push_back(store.links_directory() + "/" + link);
    lower.push_back(at_ + ".empty");  // one layer alone is no overlay
    std::string options = fmt::format("lowerdir={}", fmt::join(lower, ":"));
    if (::mount("overlay", at_.c_str(), "overlay", MS_RDONLY, options.c_str()) != 0)
      throw Error::from_errno("mount " + options);
  }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  ~Mounted() { ::umount2(at_.c_str(), MNT_DETACH); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return at_ + "/" + name; }

 private:
  std::string at_;
};

class Store : public testing::Test {
 protected:
  Store()
      : roots_{directory_ / "state", directory_ / "run", "test"},
        database_((fs::create_directory(roots_.state), roots_.database())),
        store_(database_, roots_) {}

  std::vector<std::string> names_in(const std::string& name) const {
    std::vector<std::string> out;
    if (!fs::exists(roots_.state + "/" + name)) return out;
    for (const auto& entry : fs::directory_iterator(roots_.state + "/" + name))
      out.push_back(entry.path().filename());
    return out;
  }
  // A layout in the test's directory; its image's id.
  std::string layout(const std::string& name, const std::vector<std::vector<TarFile>>& layers) {
    ImageParts parts;
    for (const auto& files : layers) parts.layers.push_back(make_tar(files));
    return fixture::write_layout(directory_ / name, parts);
  }

  fixture::TemporaryDirectory directory_;
  Roots roots_;
  Database database_;
  ImageStore store_;
};

TEST_F(Store, LoadsALayoutAndFindsItsImage) {
  std::string id = fixture::make_busybox_layout(
      directory_ / "box", R"({"Cmd":["sleep","9"],"ExposedPorts":{"80/tcp":{}},"User":"33"})");
  EXPECT_THAT(store_.load(directory_ / "box"), ElementsAre("docker.io/library/box:latest"));
  for (const std::string& name : {std::string("box"), std::string("docker.io/library/box:latest"),
                                  id, id.substr(0, 12), "sha256:" + id, id.substr(0, 4)}) {
    auto image = store_.find(name);
    ASSERT_TRUE(image) << name;
    EXPECT_EQ(image->id, id);
  }
  EXPECT_FALSE(store_.find("box:2"));
  EXPECT_FALSE(store_.find(id.substr(0, 3)));
  EXPECT_FALSE(store_.find(std::string(64, '0')));
  Image image = store_.find("box").value();
  EXPECT_THAT(image.config.cmd, ElementsAre("sleep", "9"));
  EXPECT_THAT(image.config.exposed_ports, ElementsAre("80/tcp"));
  EXPECT_EQ(image.config.user, "33");
  EXPECT_GT(image.size, 1'000'000);
  EXPECT_EQ(image.created, "2023-11-14T22:13:20Z");
  ASSERT_EQ(image.layers.size(), 1U);
  EXPECT_LE(image.layers[0].size(), 26U);
  EXPECT_EQ(store_.tags().size(), 1U);
  Mounted root(store_, image, directory_ / "root");
  EXPECT_EQ(read_file(root / "bin/busybox"), read_file("/bin/busybox"));
  EXPECT_EQ(fs::read_symlink(root / "bin/sh"), "busybox");
  struct stat s{};
  ASSERT_EQ(::stat((root / "tmp").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 01777U);
}

TEST_F(Store, FindsAnImageByTheDigestOfItsManifest) {
  layout("web", {{{.path = "f", .content = "x"}}});
  store_.load(directory_ / "web");
  std::string index = read_file(directory_ / "web/index.json");
  std::string digest = index.substr(index.find("sha256:"), 71);
  EXPECT_TRUE(store_.find("web@" + digest));
  EXPECT_TRUE(store_.find("web:any@" + digest));
  EXPECT_FALSE(store_.find("webb@" + digest));
  EXPECT_FALSE(store_.find("web@sha256:" + std::string(64, '0')));
}

TEST_F(Store, LoadsArchivesOfBothFormats) {
  ImageParts parts;
  parts.layers = {make_tar({{.path = "f", .content = "lower"}}),
                  make_tar({{.path = "f", .content = "upper"}})};
  std::string docker = directory_ / "docker.tar";
  std::string id = fixture::write_docker_archive(docker, parts, {"web:1", "ghcr.io/a/web:2"});
  EXPECT_THAT(store_.load(docker), ElementsAre("docker.io/library/web:1", "ghcr.io/a/web:2"));
  fixture::write_layout(directory_ / "layout", parts);
  std::string tar = fixture::tar_of_directory(directory_ / "layout");
  replace_file(directory_ / "one.tar", tar);
  replace_file(directory_ / "two.tar.gz", fixture::gzip(tar));
  replace_file(directory_ / "three.tar.zst", fixture::zstd(tar));
  EXPECT_THAT(store_.load(directory_ / "one.tar"), ElementsAre("docker.io/library/one:latest"));
  EXPECT_THAT(store_.load(directory_ / "two.tar.gz"), ElementsAre("docker.io/library/two:latest"));
  EXPECT_THAT(store_.load(directory_ / "three.tar.zst", "mine:3"),
              ElementsAre("docker.io/library/mine:3"));
  EXPECT_EQ(store_.find("mine:3")->id, id);
  EXPECT_EQ(names_in("layers").size(), 2U) << "one pair of layers serves all";
  Mounted root(store_, store_.find("web:1").value(), directory_ / "root");
  EXPECT_EQ(read_file(root / "f"), "upper");
}

TEST_F(Store, AnImageWithoutANameIsKnownByItsId) {
  ImageParts parts;
  parts.layers = {make_tar({{.path = "f", .content = "x"}})};
  std::string id = fixture::write_docker_archive(directory_ / "a.tar", parts, {});
  EXPECT_THAT(store_.load(directory_ / "a.tar"), ElementsAre("sha256:" + id));
  EXPECT_TRUE(store_.find("sha256:" + id));
  EXPECT_THROW(store_.load(directory_ / "a.tar", "Bad Name"), Error);
}

TEST_F(Store, LayersStackWithTheirWhiteouts) {
  layout("web", {{{.path = "gone", .content = "1"},
                  {.path = "dir/a", .content = "1"},
                  {.path = "again/old", .content = "1"},
                  {.path = "opaque/old", .content = "1"},
                  {.path = "to-file/x", .content = "1"},
                  {.path = "to-dir", .content = "1"}},
                 {{.path = ".wh.gone"},
                  {.path = "dir/.wh.a"},
                  {.path = "dir/b", .content = "2"},
                  {.path = "again/", .type = 'd', .mode = 0755},
                  {.path = "again/new", .content = "2"},
                  {.path = ".wh.again"},
                  {.path = "opaque/.wh..wh..opq"},
                  {.path = "opaque/new", .content = "2"},
                  {.path = "to-file", .content = "2"},
                  {.path = "to-dir/y", .content = "2"}}});
  store_.load(directory_ / "web");
  Mounted root(store_, store_.find("web").value(), directory_ / "root");
  for (const char* name : {"gone", "dir/a", "again/old", "opaque/old"})
    EXPECT_FALSE(fs::exists(root / name)) << name;
  for (const char* name : {"dir/b", "again/new", "opaque/new", "to-file", "to-dir/y"})
    EXPECT_EQ(read_file(root / name), "2") << name;
}

TEST_F(Store, OwnersModesDevicesAndCapabilitiesArrive) {
  // VFS_CAP_REVISION_2, effective, CAP_NET_BIND_SERVICE: capabilities(7).
  std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00",
      20);
  layout("web", {{{.path = "./", .type = 'd', .mode = 0711, .uid = 5},
                  {.path = "suid", .content = "x", .mode = 04755, .uid = 7, .gid = 8},
                  {.path = "cap",
                   .content = "x",
                   .mode = 0755,
                   .uid = 9,
                   .attributes = {{"security.capability", capability}}},
                  {.path = "null", .type = 'c', .mode = 0666, .major = 1, .minor = 3},
                  {.path = "loop", .type = 'b', .mode = 0660, .gid = 6, .major = 7, .minor = 1},
                  {.path = "link", .type = 'l', .content = "/etc/passwd", .uid = 11}}});
  store_.load(directory_ / "web");
  Image image = store_.find("web").value();
  std::string diff = store_.links_directory() + "/" + image.layers.at(0);
  struct stat s{};
  ASSERT_EQ(::stat(diff.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0711U);
  EXPECT_EQ(s.st_uid, 5U);
  ASSERT_EQ(::stat((diff + "/suid").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 04755U);
  EXPECT_EQ(s.st_uid, 7U);
  EXPECT_EQ(s.st_gid, 8U);
  char value[64];
  EXPECT_EQ(::getxattr((diff + "/cap").c_str(), "security.capability", value, sizeof value), 20);
  ASSERT_EQ(::stat((diff + "/null").c_str(), &s), 0);
  EXPECT_EQ(s.st_rdev, ::makedev(1, 3));
  EXPECT_EQ(s.st_mode & 0777U, 0666U);
  ASSERT_EQ(::stat((diff + "/loop").c_str(), &s), 0);
  EXPECT_TRUE(S_ISBLK(s.st_mode));
  EXPECT_EQ(s.st_gid, 6U);
  ASSERT_EQ(::lstat((diff + "/link").c_str(), &s), 0);
  EXPECT_EQ(s.st_uid, 11U);
}

TEST_F(Store, AHostileImageLeavesNothing) {
  layout("bad", {{{.path = "good", .content = "x"}}, {{.path = "../../../bad", .content = "x"}}});
  EXPECT_THAT([&] { store_.load(directory_ / "bad"); },
              testing::ThrowsMessage<Error>(testing::AllOf(HasSubstr("load "), HasSubstr("'..'"))));
  for (const std::string& name : names_in("layers")) EXPECT_FALSE(name.starts_with(".")) << name;
  EXPECT_LE(names_in("layers").size(), 1U);
  EXPECT_TRUE(store_.tags().empty());
  EXPECT_FALSE(store_.find("bad"));
}

TEST_F(Store, DamageIsFoundAndNothingIsRecorded) {
  layout("web", {{{.path = "f", .content = std::string(100'000, 'x')}}});
  fs::path biggest;
  for (const auto& entry : fs::directory_iterator(directory_ / "web/blobs/sha256")) {
    std::string text = read_file(entry.path());
    if (text.starts_with("\x1f\x8b")) biggest = entry.path();
  }
  std::string blob = read_file(biggest);
  blob[blob.size() / 2] = static_cast<char>(blob[blob.size() / 2] ^ 1);
  replace_file(biggest, blob);
  EXPECT_THAT([&] { store_.load(directory_ / "web"); },
              testing::ThrowsMessage<Error>(
                  testing::AllOf(HasSubstr("expected sha256:" + biggest.filename().string()),
                                 HasSubstr("found sha256:" + sha256_hex(blob)))));
  EXPECT_TRUE(names_in("layers").empty());
  EXPECT_TRUE(names_in("l").empty());
}

TEST_F(Store, WhatIsNoImageIsAnError) {
  replace_file(directory_ / "text", "hello");
  fs::create_directory(directory_ / "empty");
  for (const char* name : {"text", "empty", "missing"})
    EXPECT_THROW(store_.load(directory_ / name), Error) << name;
  EXPECT_THAT([&] { store_.load(directory_ / "empty"); },
              testing::ThrowsMessage<Error>(HasSubstr("it holds no image")));
}

// A load by a process of its own, that can be killed.
class RunningWorker {
 public:
  RunningWorker(const std::string& source, const std::string& state)
      : source_(open_file(source, O_RDONLY)),
        state_(open_file(state, O_RDONLY | O_DIRECTORY)),
        child_(start()) {}
  void kill() {
    child_.pidfd().send_signal(SIGKILL);
    child_.wait();
  }

 private:
  Child start() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error::from_errno("pipe");
    read_ = Fd(ends[0]);
    Fd write(ends[1]);
    SpawnOptions options;
    options.argv = {own_program("pcompose-images"), "load"};
    options.fds = {{source_.get(), kSourceFd}, {state_.get(), kStoreFd}, {write.get(), kReportFd}};
    return spawn(options);
  }
  Fd source_, state_, read_;
  Child child_;
};

std::vector<TarFile> many_files(int seed) {
  std::vector<TarFile> files;
  for (int i = 0; i < 3000; ++i)
    files.push_back({.path = fmt::format("d{}/f{}", i % 50, i),
                     .content = std::string(static_cast<size_t>(2000 + seed), 'x')});
  return files;
}

TEST_F(Store, AKilledWorkerLeavesNothingThatLooksComplete) {
  std::string id = layout("web", {many_files(1), many_files(2)});
  for (auto delay : {0ms, 3ms, 10ms, 20ms, 40ms, 80ms}) {
    RunningWorker worker(directory_ / "web", roots_.state);
    std::this_thread::sleep_for(delay);
    worker.kill();
    for (const std::string& name : names_in("layers")) {
      if (name.starts_with(".")) continue;
      auto diff = fs::path(roots_.state) / "layers" / name / "diff";
      EXPECT_EQ(std::distance(fs::recursive_directory_iterator(diff), {}), 3050);
    }
  }
  fs::create_directories(roots_.state + "/layers/.tmp-" + std::string(64, 'a') + "/diff/x/y");
  store_.load(directory_ / "web");
  EXPECT_EQ(names_in("layers").size(), 2U) << "stale directories are gone";
  EXPECT_EQ(names_in("l").size(), 2U);
  Mounted root(store_, store_.find(id).value(), directory_ / "root");
  EXPECT_EQ(fs::file_size(root / "d7/f7"), 2002U);
}

TEST_F(Store, ALinkThatACrashForgotIsMadeAgain) {
  layout("web", {{{.path = "f", .content = "x"}}});
  store_.load(directory_ / "web");
  ASSERT_EQ(names_in("l").size(), 1U);
  fs::remove_all(roots_.state + "/l");
  store_.load(directory_ / "web");
  EXPECT_EQ(names_in("l").size(), 1U);
}

TEST_F(Store, TwoLoadsAtOnceShareTheWork) {
  layout("web", {many_files(1), many_files(2)});
  auto load = [this] {
    Database database(roots_.database());
    ImageStore store(database, roots_);
    for (int i = 0; i < 3; ++i) store.load(directory_ / "web");
  };
  std::thread one(load), two(load), three(load);
  one.join();
  two.join();
  three.join();
  EXPECT_EQ(names_in("layers").size(), 2U);
  EXPECT_EQ(names_in("l").size(), 2U);
  EXPECT_TRUE(store_.find("web"));
}

}  // namespace
}  // namespace pcompose::engine
