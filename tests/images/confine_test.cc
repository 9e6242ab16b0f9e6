#include "engine/images/confine.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/loop.h"
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
    return opens("/etc/passwd", O_RDONLY) || errno != EACCES ? 11 : 0;
  });
  if (outcome == 77) GTEST_SKIP() << "this kernel has no landlock";
  EXPECT_EQ(outcome, 0);
}

// How a child that made a system call ended: its exit code, or minus a signal. 0: it was let.
template <class Call>
int filtered(Network network, Call&& call) {
  pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);  // no core file
    allow_system_calls(network);
    ::_exit(call() >= 0 ? 0 : errno);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

TEST(Filter, EndsWhoeverExecutesMountsOrTraces) {
  for (long call : {SYS_execve, SYS_execveat, SYS_ptrace, SYS_mount, SYS_umount2, SYS_pivot_root,
                    SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf, SYS_process_vm_writev,
                    SYS_io_uring_setup, SYS_keyctl, SYS_finit_module, SYS_setresuid, SYS_capset})
    EXPECT_EQ(filtered(Network::connect, [&] { return ::syscall(call, 0, 0, 0, 0, 0, 0); }),
              -SIGSYS)
        << call;
}

TEST(Filter, RefusesWhatTheWorkerDoesNotNeed) {
  for (long call : {SYS_kill, SYS_setxattr, SYS_swapoff, SYS_settimeofday, SYS_sethostname,
                    SYS_shmget, SYS_msgget, SYS_memfd_create, SYS_inotify_init1, SYS_listen})
    EXPECT_EQ(filtered(Network::connect, [&] { return ::syscall(call, 0, 0, 0, 0, 0, 0); }), EPERM)
        << call;
  // A process of its own, which fork(2) would be.
  EXPECT_EQ(filtered(Network::none, [] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }),
            EPERM);
  EXPECT_EQ(filtered(Network::none, [] { return ::socket(AF_INET, SOCK_STREAM, 0); }), EPERM);
  EXPECT_EQ(filtered(Network::connect, [] { return ::socket(AF_INET, SOCK_STREAM, 0); }), 0);
  EXPECT_EQ(filtered(Network::connect, [] { return ::socket(AF_PACKET, SOCK_RAW, 0); }), EPERM);
}

TEST(Filter, LeavesThreads) {
  EXPECT_EQ(filtered(Network::none,
                     [] {
                       int answer = -1;
                       LoopThread("filtered").post([&] { answer = 0; });
                       return answer;
                     }),
            0);
}

}  // namespace
}  // namespace pcompose::engine
