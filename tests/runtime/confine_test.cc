// Ways out that others found, each with its number: every one has to stay shut.
#include <fcntl.h>
#include <filesystem>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/runtime/bundle_fixture.h"

namespace pcompose::engine::runtime {
namespace {

namespace fs = std::filesystem;

using ConfineTest = BundleTest;

TEST_F(ConfineTest, PathsAreMaskedAndReadOnly) {
  auto outcome = run("echo x > /proc/sys/kernel/panic; ls /sys/firmware");
  EXPECT_TRUE(contains(outcome.output, "can't create /proc/sys/kernel/panic: Read-only"))
      << outcome.output;
  EXPECT_EQ(run("head -c1 /proc/interrupts; ls /sys/firmware").output, "");
}

TEST_F(ConfineTest, TheRootIsReadOnly) { EXPECT_EQ(run("touch /x").code, 1); }

TEST_F(ConfineTest, NoDescriptorIsPassedOn) {
  // CVE-2024-21626: a descriptor of the host's, left open, is a way out.
  EXPECT_EQ(run("ls /proc/self/fd | busybox wc -l").output, "4\n");  // 0, 1, 2 and ls's own
}

TEST_F(ConfineTest, TheWorkingDirectoryIsInside) {
  // CVE-2024-21626.
  for (int fd = 3; fd < 12; ++fd) {
    process()["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_NE(run("cat etc/hostname").code, 0) << fd;
  }
}

TEST_F(ConfineTest, OurProgramCannotBeOverwritten) {
  // CVE-2019-5736: the container's program is the one that executes it, which is ours until then.
  struct stat before{}, after{};
  ASSERT_EQ(::stat(RUNTIME, &before), 0);
  fs::create_symlink("/proc/self/exe", directory / "rootfs/bin/loop");
  set_args({"/bin/loop", "--version"});
  write_config();
  command({"run", "c"});
  // From the host's side: a parked container's program is on a mount that takes no write.
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"create", "c1"}).code, 0);
  std::string exe = "/proc/" + std::to_string(state("c1").at("pid").as_int64()) + "/exe";
  struct statvfs mount{};
  ASSERT_EQ(::statvfs(exe.c_str(), &mount), 0);
  EXPECT_NE(mount.f_flag & ST_RDONLY, 0U);
  ASSERT_EQ(::stat(RUNTIME, &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

TEST_F(ConfineTest, MountTargetsStayInsideTheRoot) {
  // CVE-2021-30465: a link in the image must not lead a mount to the host.
  std::string outside = directory / "outside";
  fs::create_directory(outside);
  fs::create_directories(directory / ("rootfs" + outside));  // where the link leads inside
  fs::create_symlink(outside, directory / "rootfs/link");
  mounts().push_back({{"destination", "/link/deep"}, {"type", "tmpfs"}, {"source", "t"}});
  config["root"].as_object()["readonly"] = false;
  auto outcome = run("mount");
  EXPECT_TRUE(contains(outcome.output, outside + "/deep type tmpfs")) << outcome.output;
  EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(ConfineTest, MasksWantTheRealNullDevice) {
  // CVE-2025-31133: /dev/null as a link would bind what it names over the masked path.
  fs::create_directory(directory / "dev");
  fs::create_symlink("/proc/sys/kernel/core_pattern", directory / "dev/null");
  for (const char* node : {"zero", "full", "random", "urandom", "tty"})
    replace_file((directory / "dev/") + node, "");
  remove_mounts("/dev");
  mounts().push_back(
      {{"destination", "/dev"}, {"source", directory / "dev"}, {"options", {"bind"}}});
  auto outcome = run("cat /proc/kcore");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.output, "mask /proc/") ||
              contains(outcome.output, "make node /dev/null"))
      << outcome.output;
}

TEST_F(ConfineTest, TheConsoleIsBoundToItsOwnPlace) {
  // CVE-2025-52565: /dev/console as a link would bring the terminal over what it names, and that
  // would escape the masks and read-only paths.
  fs::create_directories(directory / "dev/pts");
  fs::create_symlink("/proc/sys/kernel/core_pattern", directory / "dev/console");
  for (const char* node : {"null", "zero", "full", "random", "urandom", "tty"}) {
    struct stat st{};
    ASSERT_EQ(::stat((std::string("/dev/") + node).c_str(), &st), 0);
    ASSERT_EQ(::mknod((directory / "dev/" + node).c_str(), S_IFCHR | 0666, st.st_rdev), 0);
  }
  remove_mounts("/dev");
  mounts().push_back(
      {{"destination", "/dev"}, {"source", directory / "dev"}, {"options", {"bind"}}});
  mounts().push_back({{"destination", "/dev/pts"}, {"type", "devpts"}, {"source", "devpts"}});
  process()["terminal"] = true;
  set_args({"sleep", "100"});
  write_config();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = directory / "socket";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  if (command({"create", "--console-socket", path, "c1"}).code != 0) return;  // refused: as good
  std::string root = "/proc/" + std::to_string(state("c1").at("pid").as_int64()) + "/root";
  struct stat st{};
  ASSERT_EQ(::stat((root + "/proc/sys/kernel/core_pattern").c_str(), &st), 0);
  EXPECT_TRUE(S_ISREG(st.st_mode)) << "the terminal lies on it";
}

// CVE-2016-9962: who enters must not be looked into before it has become the container's own.
TEST_F(ConfineTest, WhoEntersCannotBeTraced) {
  fs::copy_file(PAYLOAD, directory / "rootfs/bin/payload");
  config["root"].as_object()["readonly"] = false;
  set_args({"sh", "-c", "payload spy 2000 > /tmp/seen"});
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  for (int i = 0; i < 60 && state("c1").at("status").as_string() == "running"; ++i)
    command({"exec", "c1", "true"});
  await_status("c1", "stopped");
  EXPECT_EQ(read_file(directory / "rootfs/tmp/seen"), "saw nobody\n");
}

// TIOCSTI: characters pushed into the terminal that somebody calls us from would be their commands.
TEST_F(ConfineTest, NothingIsPushedIntoTheCallersTerminal) {
  fs::copy_file(PAYLOAD, directory / "rootfs/bin/payload");
  Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master);
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  Fd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  auto from_the_terminal = [&](std::vector<std::string> words) {
    Fd out = open_file(directory / "out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    SpawnOptions options;
    options.argv = {"/usr/bin/setsid", "--ctty", "--wait", RUNTIME, "--root", directory / "state"};
    options.argv.insert(options.argv.end(), words.begin(), words.end());
    options.environment = current_environment();
    options.fds = {{terminal.get(), 0}, {out.get(), 1}, {out.get(), 2}};
    options.directory = directory.path();
    spawn(options).wait();
    return read_file(directory / "out");
  };
  set_args({"payload", "tiocsti"});
  write_config();
  EXPECT_TRUE(contains(from_the_terminal({"run", "c"}), " not permitted"));
  set_args({"sleep", "100"});
  write_config();
  ASSERT_EQ(command({"run", "-d", "c1"}).code, 0);
  EXPECT_TRUE(contains(from_the_terminal({"exec", "c1", "payload", "tiocsti"}), " not permitted"));
}

TEST_F(ConfineTest, WritesToProcGoToTheKernels) {
  // CVE-2025-52881, CVE-2019-16884: what the container mounted at /proc gets none of our writes.
  fs::create_directories(directory / "fake/self");
  replace_file(directory / "fake/self/oom_score_adj", "untouched");
  remove_mounts("/proc");
  mounts().push_back(
      {{"destination", "/proc"}, {"source", directory / "fake"}, {"options", {"bind"}}});
  process()["oomScoreAdj"] = 100;
  linux_part()["maskedPaths"] = json::array();
  linux_part()["readonlyPaths"] = json::array();
  EXPECT_EQ(run("cat /proc/self/oom_score_adj").output, "untouched");
}

TEST_F(ConfineTest, InheritableSetsAreEmpty) {
  // CVE-2022-29162.
  EXPECT_TRUE(contains(run("grep CapInh /proc/self/status").output, "0000000000000000"));
}

TEST_F(ConfineTest, SysctlsOfTheHostAreRefused) {
  linux_part()["sysctl"] = {{"kernel.panic", "1"}};
  EXPECT_TRUE(contains(run("true").output, "linux.sysctl.kernel/panic: belongs to no namespace"));
  linux_part()["sysctl"] = {{"net.ipv4.ip_forward", "1"}, {"kernel.msgmax", "9999"}};
  EXPECT_EQ(run("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax").output, "1\n9999\n");
}

}  // namespace
}  // namespace pcompose::engine::runtime
