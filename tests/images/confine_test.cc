#include "engine/images/confine.h"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

// Confines a child and returns what `body` says in it; 77 where the kernel has no landlock.
template <class Body>
int confined(const std::string& store, const std::string& source, Body&& body) {
  pid_t pid = ::fork();
  if (pid == 0) {
    Fd store_fd = open_file(store, O_RDONLY | O_DIRECTORY);
    Fd source_fd = open_file(source, O_RDONLY);
    if (confine({{store_fd.get()}, {source_fd.get()}, Network::none}) == Confinement::none)
      ::_exit(77);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

TEST(Confine, LeavesTheStoreAndTheSourceOnly) {
  fixture::TemporaryDirectory directory;
  for (const char* name : {"store", "source"}) std::filesystem::create_directory(directory / name);
  replace_file(directory / "source/f", "x");
  std::string store = directory / "store", source = directory / "source";
  int outcome = confined(store, source, [&] {
    auto opens = [](const std::string& path, int flags) {
      return static_cast<bool>(Fd(::open(path.c_str(), flags | O_CLOEXEC, 0600)));
    };
    if (!opens(source + "/f", O_RDONLY)) return 1;
    if (!opens(store + "/new", O_WRONLY | O_CREAT)) return 2;
    if (!opens(store, O_TMPFILE | O_RDWR)) return 3;
    if (::mkdir((store + "/d").c_str(), 0700) != 0) return 4;
    if (::link((store + "/new").c_str(), (store + "/d/link").c_str()) != 0) return 5;
    if (::symlink("x", (store + "/l").c_str()) != 0) return 6;
    if (::mknod((store + "/w").c_str(), S_IFCHR, 0) != 0) return 7;
    if (::rename((store + "/d").c_str(), (store + "/e").c_str()) != 0) return 8;
    if (opens(source + "/f", O_WRONLY) || errno != EACCES) return 9;
    if (opens(source + "/new", O_WRONLY | O_CREAT)) return 10;
    if (opens("/etc/passwd", O_RDONLY) || errno != EACCES) return 11;
    ::execl("/bin/true", "true", nullptr);
    return errno == EACCES ? 0 : 12;
  });
  if (outcome == 77) GTEST_SKIP() << "this kernel has no landlock";
  EXPECT_EQ(outcome, 0);
}

}  // namespace
}  // namespace pcompose::engine
