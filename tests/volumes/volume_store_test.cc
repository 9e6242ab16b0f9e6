#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/directory.h"
#include "base/error.h"
#include "tests/fixture/temporary_directory.h"
#include "volumes/volumes.h"

namespace pcompose::volumes {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class Volumes : public testing::Test {
 protected:
  Volumes()
      : roots_{directory_ / "state", directory_ / "run", "test"},
        database_((fs::create_directory(roots_.state), roots_.database())),
        store_(database_, roots_) {
    fs::create_directory(source());
  }
  [[nodiscard]] std::string source() const { return directory_ / "source"; }
  void put(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(source() + "/" + name).parent_path());
    replace_file(source() + "/" + name, text);
  }
  void ensure(const std::string& name = "data") { store_.ensure(name, "p", "data", {}); }
  void populate(const std::string& name = "data") {
    Fd fd = open_file(source(), O_PATH | O_DIRECTORY);
    store_.populate(name, fd.get());
  }
  [[nodiscard]] std::string at(const std::string& name) const {
    return store_.data_path("data") + "/" + name;
  }
  struct stat status(const std::string& path) const {
    struct stat s{};
    if (::lstat(path.c_str(), &s) != 0) throw Error::from_errno(path);
    return s;
  }
  [[nodiscard]] static size_t count(const std::string& path) {
    Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
    return directory_entries(fd.get()).size();
  }

  fixture::TemporaryDirectory directory_;
  Roots roots_;
  Database database_;
  VolumeStore store_;
};

TEST_F(Volumes, AreRows) {
  VolumeRow row = store_.ensure("p_data", "p", "data", {{"a", "b"}});
  EXPECT_EQ(row.name, "p_data");
  EXPECT_FALSE(row.populated);
  EXPECT_EQ(store_.ensure("p_data", "other", "x", {}).project, "p") << "the first owner stays";
  store_.ensure("other", "q", "", {});
  EXPECT_EQ(store_.find("p_data")->labels.at("a"), "b");
  EXPECT_FALSE(store_.find("none"));
  EXPECT_EQ(store_.of_project("p").size(), 1U);
  EXPECT_EQ(store_.list().size(), 2U);
  EXPECT_TRUE(fs::is_directory(store_.data_path("p_data")));
  EXPECT_EQ(status(store_.data_path("p_data")).st_mode & 07777U, 0755U);
  store_.remove("p_data");
  store_.remove("p_data");
  EXPECT_FALSE(store_.find("p_data"));
  EXPECT_EQ(count(roots_.state + "/volumes"), 1U);
}

TEST_F(Volumes, HaveNamesThatAreNoPaths) {
  for (const char* name : {"", "..", ".x", "a/b", "-a", "a b", "_a", "ä"})
    EXPECT_THROW(store_.ensure(name, "p", "", {}), Error) << name;
  EXPECT_THROW(static_cast<void>(store_.data_path("../x")), Error);
  EXPECT_THROW(store_.remove("../x"), Error);
  store_.ensure("A0_.-", "p", "", {});
}

TEST_F(Volumes, TakeTheImagesContentOnFirstUse) {
  put("f", "content");
  put("dir/g", "x");
  ASSERT_EQ(::chmod((source() + "/f").c_str(), 04751), 0);
  ASSERT_EQ(::chown((source() + "/dir/g").c_str(), 7, 8), 0);
  ASSERT_EQ(::chown((source() + "/dir").c_str(), 5, 6), 0);
  ASSERT_EQ(::chmod((source() + "/dir").c_str(), 0710), 0);
  fs::create_symlink("/etc/passwd", source() + "/link");
  ASSERT_EQ(::lchown((source() + "/link").c_str(), 3, 4), 0);
  fs::create_hard_link(source() + "/f", source() + "/dir/h");
  ASSERT_EQ(::mkfifo((source() + "/pipe").c_str(), 0640), 0);
  ASSERT_EQ(::setxattr((source() + "/f").c_str(), "user.x", "y", 1, 0), 0);
  timespec times[2] = {{1'000, 5}, {2'000, 6}};
  ASSERT_EQ(::utimensat(AT_FDCWD, (source() + "/dir").c_str(), times, 0), 0);
  ASSERT_EQ(::chown(source().c_str(), 70, 71), 0);
  ASSERT_EQ(::chmod(source().c_str(), 01730), 0);
  ensure();
  populate();
  EXPECT_TRUE(store_.find("data")->populated);
  EXPECT_EQ(read_file(at("f")), "content");
  EXPECT_EQ(status(at("f")).st_mode & 07777U, 04751U);
  EXPECT_EQ(status(at("f")).st_ino, status(at("dir/h")).st_ino);
  EXPECT_EQ(status(at("dir/g")).st_uid, 7U);
  EXPECT_EQ(status(at("dir")).st_gid, 6U);
  EXPECT_EQ(status(at("dir")).st_mode & 07777U, 0710U);
  EXPECT_EQ(status(at("dir")).st_mtim.tv_sec, 2'000);
  EXPECT_EQ(fs::read_symlink(at("link")), "/etc/passwd");
  EXPECT_EQ(status(at("link")).st_uid, 3U);
  EXPECT_TRUE(S_ISFIFO(status(at("pipe")).st_mode));
  EXPECT_EQ(status(at("pipe")).st_mode & 07777U, 0640U);
  char value[4];
  EXPECT_EQ(::getxattr(at("f").c_str(), "user.x", value, sizeof value), 1);
  EXPECT_EQ(status(store_.data_path("data")).st_uid, 70U);
  EXPECT_EQ(status(store_.data_path("data")).st_mode & 07777U, 01730U);
  EXPECT_EQ(count(roots_.state + "/volumes/data"), 1U) << "nothing is left beside";
}

TEST_F(Volumes, TakeItOnceOnly) {
  put("f", "first");
  ensure();
  populate();
  fs::remove(at("f"));
  populate();
  EXPECT_FALSE(fs::exists(at("f"))) << "what a container removed stays removed";
  ensure("used");
  replace_file(store_.data_path("used") + "/mine", "x");
  populate("used");
  EXPECT_EQ(count(store_.data_path("used")), 1U);
  EXPECT_TRUE(store_.find("used")->populated);
  ensure("bare");
  store_.populate("bare", -1);
  populate("bare");
  EXPECT_EQ(count(store_.data_path("bare")), 0U);
  EXPECT_THROW(populate("unknown"), Error);
}

TEST_F(Volumes, AnEmptyDirectoryGivesItsOwner) {
  ASSERT_EQ(::chown(source().c_str(), 999, 998), 0);
  ASSERT_EQ(::chmod(source().c_str(), 0700), 0);
  ensure();
  populate();
  EXPECT_EQ(status(store_.data_path("data")).st_uid, 999U);
  EXPECT_EQ(status(store_.data_path("data")).st_mode & 07777U, 0700U);
}

TEST_F(Volumes, TakeNothingFromOtherFileSystemsAndNoSockets) {
  put("sub/hidden", "below the mount");
  ASSERT_EQ(::mount("none", (source() + "/sub").c_str(), "tmpfs", 0, nullptr), 0);
  put("sub/f", "mounted");
  int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Fd owner(listener);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (source() + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ensure();
  populate();
  EXPECT_TRUE(fs::is_directory(at("sub")));
  EXPECT_EQ(count(at("sub")), 0U);
  EXPECT_FALSE(fs::exists(at("socket")));
  EXPECT_EQ(::umount2((source() + "/sub").c_str(), MNT_DETACH), 0);
}

TEST_F(Volumes, TakeAnImagesContentFromAnOverlay) {
  for (const char* name : {"lower", "upper", "work"}) fs::create_directory(directory_ / name);
  replace_file(directory_ / "lower/f", std::string(3U << 20U, 'x'));
  replace_file(directory_ / "lower/gone", "x");
  std::string options = "lowerdir=" + (directory_ / "lower") +
                        ",upperdir=" + (directory_ / "upper") + ",workdir=" + (directory_ / "work");
  ASSERT_EQ(::mount("overlay", source().c_str(), "overlay", 0, options.c_str()), 0);
  fs::remove(source() + "/gone");
  put("new", "x");
  ensure();
  populate();
  EXPECT_EQ(::umount2(source().c_str(), MNT_DETACH), 0);
  EXPECT_EQ(fs::file_size(at("f")), 3U << 20U);
  EXPECT_EQ(read_file(at("new")), "x");
  EXPECT_EQ(count(store_.data_path("data")), 2U);
}

TEST_F(Volumes, ATreeTooDeepIsAnErrorThatChangesNothing) {
  std::string path = source();
  for (int i = 0; i < 250; ++i) path += "/d";
  fs::create_directories(path);
  ensure();
  EXPECT_THAT([&] { populate(); }, testing::ThrowsMessage<Error>(HasSubstr("200 deep")));
  EXPECT_FALSE(store_.find("data")->populated);
  EXPECT_EQ(count(store_.data_path("data")), 0U);
  fs::remove_all(source() + "/d");
  put("f", "x");
  populate();
  EXPECT_EQ(count(store_.data_path("data")), 1U);
  EXPECT_EQ(count(roots_.state + "/volumes/data"), 1U) << "the remains of the first try are gone";
}

// A database is used by one process only: a child opens its own.
pid_t populate_in_child(const Roots& roots, const std::string& source) {
  pid_t pid = ::fork();
  if (pid != 0) return pid;
  try {
    Database database(roots.database());
    VolumeStore store(database, roots);
    Fd fd = open_file(source, O_RDONLY | O_DIRECTORY);
    store.populate("data", fd.get());
    ::_exit(0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    ::_exit(1);
  }
}

TEST_F(Volumes, AKilledCopyIsAsIfItNeverWas) {
  for (int i = 0; i < 400; ++i) put("d/f" + std::to_string(i), std::string(20'000, 'x'));
  ensure();
  for (int delay : {0, 1, 2, 4, 6, 8, 12}) {
    pid_t pid = populate_in_child(roots_, source());
    std::this_thread::sleep_for(std::chrono::milliseconds(delay));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    size_t entries = count(store_.data_path("data"));
    EXPECT_TRUE(entries == 0 || count(at("d")) == 400) << "all or nothing";
  }
  populate();
  EXPECT_EQ(count(at("d")), 400U);
  EXPECT_EQ(count(roots_.state + "/volumes/data"), 1U);
  EXPECT_TRUE(store_.find("data")->populated);
}

TEST_F(Volumes, SeveralProcessesCopyOnce) {
  for (int i = 0; i < 200; ++i) put("f" + std::to_string(i), "x");
  ensure();
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) children.push_back(populate_in_child(roots_, source()));
  for (pid_t pid : children) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(count(store_.data_path("data")), 200U);
  EXPECT_EQ(count(roots_.state + "/volumes/data"), 1U);
}

TEST_F(Volumes, RemovalCopesWithAnything) {
  ensure();
  Fd deep = open_file(store_.data_path("data"), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {  // far longer than a path may be
    ASSERT_EQ(::mkdirat(deep.get(), "directory", 0755), 0);
    deep = open_at(deep.get(), "directory", O_RDONLY | O_DIRECTORY);
  }
  fs::create_directories(at("other/x"));
  fs::create_symlink(source(), at("other/link"));
  put("f", "kept");
  fs::create_directories(roots_.state + "/volumes/.removed-0123/left");
  store_.remove("data");
  EXPECT_EQ(count(roots_.state + "/volumes"), 0U);
  EXPECT_EQ(read_file(source() + "/f"), "kept");
}

}  // namespace
}  // namespace pcompose::volumes
