// Programs of another version take over while containers run.
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

class UpgradeTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    for (const auto& program : fs::directory_iterator(BIN)) {
      if (program.is_regular_file()) {
        fs::create_directories(file("bin"));
        fs::copy_file(program.path(), file("bin/" + program.path().filename().string()));
      }
    }
  }
  // The installed pcompose.
  Result installed(std::vector<std::string> args) {
    args.insert(args.begin(), file("bin/pcompose"));
    Fd out = open_file(file("out"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    Fd err = open_file(file("err"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    Child child = spawn({.argv = args,
                         .environment = current_environment(),
                         .fds = {{out.get(), 1}, {err.get(), 2}},
                         .session = Session::same,
                         .directory = directory_});
    Result result;
    result.code = child.wait().code();
    result.out = read_file(file("out"));
    result.err = read_file(file("err"));
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    return result;
  }
  // In the place of the old one, which may be running: as a package manager does.
  void install(const std::string& next, const std::string& name) {
    fs::copy_file(next, file("bin/" + name + ".new"));
    fs::rename(file("bin/" + name + ".new"), file("bin/" + name));
  }
  static ino_t program_of(pid_t pid) {
    struct stat st{};
    return ::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &st) == 0 ? st.st_ino : 0;
  }
  ino_t installed_inode(const std::string& name) {
    struct stat st{};
    return ::stat(file("bin/" + name).c_str(), &st) == 0 ? st.st_ino : 0;
  }
};

TEST_F(UpgradeTest, ContainersRunOn) {
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'trap "exit 7" TERM; i=0; while :; do i=$$((i+1)); echo $$i; sleep 0.05; done'
    healthcheck: {test: "true", interval: 1s}
  other: {image: busybox, command: sleep 1000, stop_grace_period: 0s}
)");
  installed({"up", "-d", "--wait", "w"});
  pid_t keeper_before = keeper(), supervisor_before = supervisor();
  ASSERT_NE(keeper_before, 0);
  std::string id(ps()["w"].at("ID").as_string());
  install(KEEPER_NEXT, "pcompose-keeper");
  install(SUPERVISOR_NEXT, "pcompose-supervisor");
  EXPECT_NE(program_of(keeper_before), installed_inode("pcompose-keeper"));
  EXPECT_NE(installed({"system", "upgrade"}).out, "");
  ASSERT_TRUE(eventually([&] {
    return program_of(keeper_before) == installed_inode("pcompose-keeper") && supervisor() != 0 &&
           program_of(supervisor()) == installed_inode("pcompose-supervisor");
  }));
  EXPECT_EQ(keeper(), keeper_before) << "the parent of the containers is the same process";
  EXPECT_NE(supervisor(), supervisor_before);
  EXPECT_EQ(ps()["w"].at("ID").as_string(), id);
  EXPECT_EQ(state("w"), "running");
  // Plans of the new version, in old containers and new ones.
  EXPECT_EQ(installed({"exec", "-T", "w", "echo", "inside"}).out, "inside\n");
  installed({"up", "-d"});
  EXPECT_EQ(state("other"), "running");
  ASSERT_TRUE(eventually([&] { return lines("w").size() > 10; }));
  // Not a line is missing or there twice, and the keeper still is who gets the exit status.
  installed({"stop", "w"});
  EXPECT_EQ(ps()["w"].at("ExitCode").as_int64(), 7);
  auto said = lines("w");
  ASSERT_GT(said.size(), 10U);
  for (size_t i = 0; i < said.size(); ++i) EXPECT_EQ(said[i], std::to_string(i + 1));
  installed({"down"});
}

TEST_F(UpgradeTest, AProgramThatIsNotThereChangesNothing) {
  compose("services:\n  w: {image: busybox, command: sleep 1000, stop_grace_period: 0s}\n");
  installed({"up", "-d"});
  pid_t before = keeper();
  fs::remove(file("bin/pcompose-keeper"));
  installed({"system", "upgrade"});
  ASSERT_TRUE(eventually([&] { return supervisor() != 0; }));
  EXPECT_EQ(installed({"exec", "-T", "w", "echo", "inside"}).out, "inside\n");
  EXPECT_EQ(::kill(before, 0), 0) << "the old one goes on";
  installed({"down"});
}

}  // namespace
}  // namespace pcompose::test
