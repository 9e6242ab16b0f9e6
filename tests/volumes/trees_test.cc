// What binds get: detached mounts of paths.
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/fixture/temporary_directory.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Trees : public testing::Test {
 protected:
  fixture::TemporaryDirectory directory_;
};

TEST_F(Trees, AMountShowsWhatThePathHas) {
  replace_file(directory_ / "f", "content");
  Fd tree = mount_tree(directory_.path());
  Fd file = open_at(tree.get(), "f", O_RDONLY);
  EXPECT_EQ(read_all(file.get()), "content");
  EXPECT_EQ(::fcntl(tree.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_THAT([&] { mount_tree(directory_ / "missing"); },
              testing::ThrowsMessage<Error>(HasSubstr(directory_ / "missing")));
}

TEST_F(Trees, ATreeOutlivesItsPath) {
  fs::create_directory(directory_ / "d");
  replace_file(directory_ / "d/f", "content");
  Fd tree = mount_tree(directory_ / "d");
  fs::rename(directory_ / "d", directory_ / "e");
  Fd file = open_at(tree.get(), "f", O_RDONLY);
  EXPECT_EQ(read_all(file.get()), "content");
}

TEST_F(Trees, MountsBelowComeAlong) {
  fs::create_directories(directory_ / "d/sub");
  ASSERT_EQ(::mount("none", (directory_ / "d/sub").c_str(), "tmpfs", 0, nullptr), 0);
  replace_file(directory_ / "d/sub/f", "mounted");
  bool is_file = true;
  {
    Fd tree = bind_tree(directory_ / "d", Missing::refuse, &is_file);
    Fd file = open_at(tree.get(), "sub/f", O_RDONLY);
    EXPECT_EQ(read_all(file.get()), "mounted");
  }
  EXPECT_FALSE(is_file);
  EXPECT_EQ(::umount2((directory_ / "d/sub").c_str(), MNT_DETACH), 0);
}

TEST_F(Trees, ABindOfAFileSaysSo) {
  replace_file(directory_ / "f", "content");
  bool is_file = false;
  Fd tree = bind_tree(directory_ / "f", Missing::refuse, &is_file);
  EXPECT_TRUE(is_file);
  fs::create_symlink("f", directory_ / "link");
  is_file = false;
  bind_tree(directory_ / "link", Missing::create, &is_file);
  EXPECT_TRUE(is_file) << "links are followed";
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  bind_tree(directory_ / "pipe", Missing::create, nullptr);
}

TEST_F(Trees, AMissingSourceIsMadeOrRefused) {
  std::string path = directory_ / "a/b";
  EXPECT_THAT([&] { bind_tree(path, Missing::refuse, nullptr); },
              testing::ThrowsMessage<Error>(
                  "invalid mount config for type \"bind\": bind source path does not exist: " +
                  path + " (make it, or set create_host_path: true)"));
  EXPECT_FALSE(fs::exists(directory_ / "a"));
  mode_t before = ::umask(0077);
  bool is_file = true;
  Fd tree = bind_tree(path, Missing::create, &is_file);
  ::umask(before);
  EXPECT_FALSE(is_file);
  struct stat s{};
  ASSERT_EQ(::stat(path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 07777U, 0755U);
  fs::create_symlink("nowhere", directory_ / "dangling");
  EXPECT_THAT([&] { bind_tree(directory_ / "dangling", Missing::create, nullptr); },
              testing::ThrowsMessage<Error>(HasSubstr("does not exist")));
  replace_file(directory_ / "f", "");
  EXPECT_THROW(bind_tree(directory_ / "f/x", Missing::create, nullptr), Error);
}

}  // namespace
}  // namespace pcompose::volumes
