#include "base/fd.h"

#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose {
namespace {

namespace fs = std::filesystem;

class FdTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/pcompose-fd-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string directory_;
};

TEST_F(FdTest, MovesAndClosesOnce) {
  Fd a = open_file("/dev/null", O_RDONLY);
  int raw = a.get();
  Fd b = std::move(a);
  EXPECT_FALSE(a);  // NOLINT: that it is empty is the test
  EXPECT_EQ(b.get(), raw);
  EXPECT_NE(::fcntl(raw, F_GETFD) & FD_CLOEXEC, 0);
  b.reset();
  EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
}

TEST_F(FdTest, NeverLeavesTheRoot) {
  fs::create_directory(directory_ + "/root");
  replace_file(directory_ + "/secret", "x");
  fs::create_symlink("../secret", directory_ + "/root/up");
  fs::create_symlink("/etc/passwd", directory_ + "/root/absolute");
  Fd root = open_file(directory_ + "/root", O_PATH | O_DIRECTORY);
  EXPECT_THROW(open_within(root.get(), "up", O_RDONLY, Resolve::beneath), Error);
  EXPECT_THROW(open_within(root.get(), "../secret", O_RDONLY, Resolve::beneath), Error);
  EXPECT_THROW(open_within(root.get(), "absolute", O_RDONLY, Resolve::in_root),
               Error);  // root/etc/passwd
  EXPECT_THROW(open_within(root.get(), "up", O_RDONLY, Resolve::in_root), Error);  // root/secret
}

TEST_F(FdTest, ReplacesAWholeFile) {
  replace_file(directory_ + "/f", "one");
  replace_file(directory_ + "/f", "two");
  EXPECT_EQ(read_file(directory_ + "/f"), "two");
  EXPECT_FALSE(fs::exists(directory_ + "/f.new"));
}

TEST_F(FdTest, TooLongIsAnErrorThatNamesTheFile) {
  replace_file(directory_ + "/f", std::string(100, 'x'));
  try {
    read_file(directory_ + "/f", 10);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(directory_ + "/f"), std::string::npos);
  }
}

}  // namespace
}  // namespace pcompose
