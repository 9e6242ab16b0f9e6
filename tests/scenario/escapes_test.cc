// Ways out of containers that others found, each with its number, against the built programs.
// docs/security.md says which defence each of them meets. The same for bundles: confine_test.cc.
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

class EscapesTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    fs::copy_file(PAYLOAD, file("payload"));
  }
  // One service `w` with these attributes (indented by four blanks), and the payload.
  void service(const std::string& attributes, const std::string& command = "sleep 1000") {
    compose("services:\n  w:\n    image: busybox\n    command: " + command +
            "\n    stop_grace_period: 0s\n" + attributes);
  }
  void up(const std::string& attributes, const std::string& command = "sleep 1000") {
    service(attributes, command);
    expect(0, {"up", "-d"});
  }
  std::string in(const std::string& command) {
    return expect(0, {"exec", "-T", "w", "sh", "-c", command}).out;
  }
  static constexpr const char* kPayload = "    volumes: ['./payload:/payload:ro']\n";
};

// CVE-2019-5736: until a container's process executes its program, /proc/PID/exe is ours.
TEST_F(EscapesTest, TheKeepersProgramCannotBeWrittenTo) {
  struct stat before{}, after{};
  ASSERT_EQ(::stat(BIN "/pcompose-keeper", &before), 0);
  compose(R"(services:
  own: {image: busybox, command: [/proc/self/exe]}
  script: {image: busybox, command: [/script], volumes: ['./script:/script:ro']}
  w: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
)");
  write("script", "#!/proc/self/exe\n");
  fs::permissions(file("script"), fs::perms(0755));
  pcompose({"up", "-d"});
  ASSERT_NE(keeper(), 0);
  // Nobody writes to a program that runs; this one is on a read-only mount, for when it does not.
  std::string exe = "/proc/" + std::to_string(keeper()) + "/exe";
  Fd kept(::open(exe.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_TRUE(kept);
  expect(0, {"down"});
  ASSERT_TRUE(eventually([&] { return keeper() == 0; }));
  struct statvfs mount{};
  ASSERT_EQ(::fstatvfs(kept.get(), &mount), 0);
  EXPECT_TRUE(mount.f_flag & ST_RDONLY);
  Fd writable(
      ::open(("/proc/self/fd/" + std::to_string(kept.get())).c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_FALSE(writable);
  ASSERT_EQ(::stat(BIN "/pcompose-keeper", &after), 0);
  EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
  EXPECT_EQ(before.st_size, after.st_size);
}

// CVE-2024-21626: a descriptor of the host's, left open, is a way out; so is a working directory.
TEST_F(EscapesTest, NoDescriptorOfTheHostIsLeft) {
  up("", "sh -c 'ls /proc/self/fd; sleep 1000'");
  ASSERT_TRUE(eventually([&] { return lines("w").size() >= 4; }));
  EXPECT_EQ(lines("w").size(), 4U) << "0, 1, 2 and ls's own";
  EXPECT_EQ(in("ls /proc/self/fd | wc -l"), "4\n");
  for (int fd = 3; fd < 12; ++fd) {
    std::string directory = "/proc/self/fd/" + std::to_string(fd);
    EXPECT_NE(pcompose({"exec", "-T", "-w", directory, "w", "true"}).code, 0) << fd;
  }
  expect(0, {"down"});
  for (int fd = 3; fd < 12; ++fd) {
    service("    working_dir: /proc/self/fd/" + std::to_string(fd) + "\n");
    EXPECT_NE(pcompose({"up", "-d"}).code, 0) << fd;
  }
}

// CVE-2021-30465: a link in a volume must not lead a mount to the host.
TEST_F(EscapesTest, MountTargetsStayInsideTheRoot) {
  write("inner/note", "from the host\n");
  compose(R"(services:
  bad:
    image: busybox
    command: ln -s ../../../../../../etc /data/sub
    volumes: ['data:/data']
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    volumes: ['data:/data', './inner:/data/sub', './inner:/data/sub/deep/er']
    depends_on: {bad: {condition: service_completed_successfully}}
volumes: {data: {}}
)");
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("cat /etc/note"), "from the host\n") << "where the link leads inside";
  EXPECT_FALSE(fs::exists("/etc/note"));
  EXPECT_FALSE(fs::exists("/etc/deep"));
}

// CVE-2025-31133, CVE-2025-52565: what lies at /dev is no source for masks, terminals and stdin.
TEST_F(EscapesTest, DeviceNodesAreTheRealOnes) {
  write("dev/secret", "only root's\n");
  fs::permissions(file("dev/secret"), fs::perms(0600));
  fs::create_symlink("/proc/sys/kernel/core_pattern", file("dev/console"));
  fs::create_symlink("secret", file("dev/null"));
  service("    user: '1000'\n    volumes: ['./dev:/dev']\n");
  Result refused = expect(1, {"up", "-d"});
  EXPECT_NE(refused.err.find("stdio"), std::string::npos) << refused.err;
  expect(0, {"down"});
  fs::remove(file("dev/null"));
  ASSERT_EQ(::mknod(file("dev/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  service("    volumes: ['./dev:/dev']\n");
  if (pcompose({"up", "-d"}).code == 0) {
    EXPECT_EQ(in("head -c 1 /proc/kcore | wc -c"), "0\n") << "masked before /dev was covered";
    EXPECT_EQ(in("(: > /dev/console) 2>/dev/null; echo $?"), "1\n");
  }
}

// CVE-2025-52881, CVE-2019-16884: what the container mounted at /proc gets none of our writes.
TEST_F(EscapesTest, WritesToProcGoToTheKernels) {
  write("fake/self/oom_score_adj", "untouched");
  write("fake/self/attr/apparmor/exec", "untouched");
  write("fake/self/attr/exec", "untouched");
  up("    oom_score_adj: 321\n    volumes: ['./fake:/proc']\n");
  EXPECT_EQ(read_file(file("fake/self/oom_score_adj")), "untouched");
  bool found = false;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code gone;
    if (!fs::exists(entry.path() / "oom_score_adj", gone)) continue;
    try {
      found = found || read_file(entry.path() / "oom_score_adj") == "321\n";
    } catch (const std::exception&) {
      continue;  // it ended meanwhile
    }
  }
  EXPECT_TRUE(found);
}

// CVE-2022-29162, and ambient capabilities: another user than root has none, whatever was added.
TEST_F(EscapesTest, OtherUsersGetNoCapabilities) {
  up("    user: '1000'\n    cap_add: [NET_ADMIN, SYS_PTRACE]\n");
  for (const char* process : {"1", "self"}) {
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
      EXPECT_EQ(in("awk '/^" + std::string(set) + ":/ {print $2}' /proc/" + process + "/status"),
                "0000000000000000\n")
          << set << " of " << process;
  }
  expect(0, {"down"});
  up("    cap_add: [NET_ADMIN]\n");
  for (const char* set : {"CapInh", "CapAmb"})
    EXPECT_EQ(in("awk '/^" + std::string(set) + ":/ {print $2}' /proc/self/status"),
              "0000000000000000\n");
}

// The keys of who started the container are not the container's (CVE-2014-9529 and its like).
TEST_F(EscapesTest, TheSessionsKeysStayOutside) {
  constexpr int kJoin = 1, kSession = -3;  // keyctl(2)
  if (::syscall(SYS_keyctl, kJoin, nullptr) < 0) GTEST_SKIP() << "this kernel has no keyrings";
  ASSERT_GE(::syscall(SYS_add_key, "user", "pcompose-test", "secret", 6, kSession), 0);
  constexpr int kSetPermissions = 5;
  long key = ::syscall(SYS_keyctl, 10 /* KEYCTL_SEARCH */, kSession, "user", "pcompose-test", 0);
  ::syscall(SYS_keyctl, kSetPermissions, key, 0x3f3f3f3f);
  up("    security_opt: ['seccomp=unconfined']\n" + std::string(kPayload),
     "sh -c '/payload keyring pcompose-test; sleep 1000'");
  ASSERT_TRUE(eventually([&] { return !lines("w").empty(); }));
  EXPECT_NE(lines("w").front(), "found");
  EXPECT_NE(in("/payload keyring pcompose-test"), "found\n");
  // And the default filter leaves no keyctl(2) at all.
  expect(0, {"down"});
  up(kPayload);
  EXPECT_EQ(in("/payload keyring pcompose-test"), "Operation not permitted\n");
}

// CVE-2016-9962: who enters a container must not be looked into by it before it has become its own.
TEST_F(EscapesTest, WhoEntersCannotBeTraced) {
  up(kPayload, "sh -c '/payload spy 3000; sleep 1000'");
  for (int i = 0; i < 40; ++i) expect(0, {"exec", "-T", "w", "true"});
  ASSERT_TRUE(eventually([&] { return !lines("w").empty(); }));
  EXPECT_EQ(lines("w").front(), "saw nobody");
}

// TIOCSTI: characters pushed into the terminal of who calls `exec` would be commands of theirs.
TEST_F(EscapesTest, NothingIsPushedIntoTheCallersTerminal) {
  up(kPayload);
  Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(master);
  ASSERT_EQ(::grantpt(master.get()), 0);
  ASSERT_EQ(::unlockpt(master.get()), 0);
  Fd terminal(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
  Fd out = open_file(file("out"), O_WRONLY | O_CREAT, 0600);
  Child child = spawn({.argv = {"/usr/bin/setsid", "--ctty", "--wait", BIN "/pcompose", "exec",
                                "-T", "w", "/payload", "tiocsti"},
                       .environment = current_environment(),
                       .fds = {{terminal.get(), 0}, {out.get(), 1}, {out.get(), 2}},
                       .session = Session::same,
                       .directory = directory_});
  child.wait();
  EXPECT_EQ(read_file(file("out")), "Operation not permitted\n");
}

// Files of /proc and /sys by which root of a container would act on the host.
TEST_F(EscapesTest, ProcHasNoGadgets) {
  up("");
  for (const char* path :
       {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
        "/proc/irq/default_smp_affinity", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run"})
    // Opened, not written: where this fails, the host is the one that changes.
    EXPECT_EQ(in("(: > " + std::string(path) + ") 2>/dev/null && echo opened || echo kept"),
              "kept\n")
        << path;
  EXPECT_NE(pcompose({"exec", "-T", "w", "mount", "-t", "tmpfs", "none", "/tmp"}).code, 0);
  EXPECT_NE(pcompose({"exec", "-T", "w", "mount", "-o", "remount,rw", "/proc/sys"}).code, 0);
  EXPECT_NE(pcompose({"exec", "-T", "w", "unshare", "-U", "true"}).code, 0);
}

}  // namespace
}  // namespace pcompose::test
