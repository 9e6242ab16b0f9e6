// cp: both ways, on containers that run and that do not, and against one that plays tricks.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

class CpTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    compose(
        "services:\n"
        "  web: {image: busybox, command: sleep 1000, scale: 2, volumes: ['data:/data']}\n"
        "volumes: {data: {}}\n");
    expect(0, {"up", "-d"});
  }
  std::string inside(const std::string& command, const std::string& index = "1") {
    return expect(0, {"exec", "-T", "--index", index, "web", "sh", "-c", command}).out;
  }
};

TEST_F(CpTest, IntoEveryContainerAndOutOfTheFirst) {
  write("a.txt", "hello");
  expect(0, {"cp", "a.txt", "web:/tmp/b.txt"});
  EXPECT_EQ(inside("cat /tmp/b.txt; stat -c %u:%g /tmp/b.txt"), "hello0:0\n");
  EXPECT_EQ(inside("cat /tmp/b.txt", "2"), "hello");
  expect(0, {"cp", "a.txt", "web:/tmp"});
  EXPECT_EQ(inside("cat /tmp/a.txt"), "hello");
  expect(0, {"cp", "a.txt", "web:/data/"});  // a volume
  EXPECT_EQ(inside("cat /data/a.txt"), "hello");
  inside("echo changed >/tmp/b.txt");
  expect(0, {"cp", "web:/tmp/b.txt", "c.txt"});
  EXPECT_EQ(read_file(file("c.txt")), "changed\n");
  expect(0, {"cp", "--index", "2", "web:/tmp/b.txt", "."});
  EXPECT_EQ(read_file(file("b.txt")), "hello");
}

TEST_F(CpTest, DirectoriesFollowTheRulesOfCp) {
  write("tree/sub/one", "1");
  fs::create_symlink("sub/one", file("tree/link"));
  write("tree/.wh.plain", "a name like any");
  expect(0, {"cp", "tree", "web:/tmp"});
  EXPECT_EQ(inside("cat /tmp/tree/sub/one /tmp/tree/.wh.plain; readlink /tmp/tree/link"),
            "1a name like anysub/one\n");
  expect(0, {"cp", "tree", "web:/tmp/fresh"});
  EXPECT_EQ(inside("cat /tmp/fresh/sub/one"), "1");
  expect(0, {"cp", "tree/.", "web:/tmp/fresh"});
  EXPECT_EQ(inside("ls /tmp/fresh"), "link\nsub\n");
  expect(0, {"cp", "web:/tmp/tree", "out"});
  EXPECT_EQ(read_file(file("out/sub/one")), "1");
  expect(0, {"cp", "-L", "web:/tmp/tree/link", "followed"});
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(file("followed"))));
  EXPECT_NE(expect(1, {"cp", "tree", "web:/etc/passwd"}).err.find("directory to the file"),
            std::string::npos);
  EXPECT_NE(expect(1, {"cp", "web:/nosuch", "x"}).err.find("no such file"), std::string::npos);
  EXPECT_NE(expect(1, {"cp", "a", "b"}).err.find("SERVICE:PATH"), std::string::npos);
}

TEST_F(CpTest, TarsByTheStandardStreams) {
  inside("echo x >/tmp/x");
  std::string tar = expect(0, {"cp", "web:/tmp/x", "-"}).out;
  EXPECT_TRUE(tar.starts_with(std::string("x\0", 2)));
  expect(0, {"cp", "--index", "2", "-", "web:/data"}, tar);
  EXPECT_EQ(inside("cat /data/x", "2"), "x\n");
  EXPECT_NE(expect(1, {"cp", "-", "web:/data"}, tar).err.find("--index"), std::string::npos);
}

TEST_F(CpTest, StoppedContainersHaveFilesToo) {
  inside("echo kept >/tmp/kept");
  expect(0, {"stop", "-t", "0"});
  expect(0, {"cp", "web:/tmp/kept", "kept"});
  EXPECT_EQ(read_file(file("kept")), "kept\n");
  write("late", "late");
  expect(0, {"cp", "-a", "late", "web:/etc/late"});
  expect(0, {"start"});
  EXPECT_EQ(inside("cat /etc/late"), "late");
}

TEST_F(CpTest, ExportHasTheRootWithoutVolumes) {
  inside("echo mine >/etc/mine; echo shared >/data/shared");
  expect(0, {"export", "-o", "root.tar", "web"});
  std::string tar = read_file(file("root.tar"));
  EXPECT_NE(tar.find("etc/mine"), std::string::npos);
  EXPECT_NE(tar.find("data/"), std::string::npos);
  EXPECT_EQ(tar.find("data/shared"), std::string::npos);
  EXPECT_EQ(tar.find("proc/1/"), std::string::npos);
  EXPECT_EQ(expect(0, {"export", "web"}).out.size(), tar.size());
  expect(0, {"stop", "-t", "0"});
  expect(0, {"export", "-o", "stopped.tar", "web"});
  EXPECT_NE(read_file(file("stopped.tar")).find("etc/mine"), std::string::npos);
}

// Links of the container mean places in the container, whoever set them, and whenever.
TEST_F(CpTest, LinksDoNotLeadOut) {
  write("secret", "of the machine");
  std::string host = file("secret");
  write("new", "new");
  inside("ln -s " + host + " /tmp/there; ln -s / /tmp/root; ln -s ../../../../../.." + directory_ +
         " /tmp/up");
  EXPECT_NE(expect(1, {"cp", "-L", "web:/tmp/there", "stolen"}).err.find("no such file"),
            std::string::npos);
  expect(1, {"cp", "--index", "1", "new", "web:/tmp/up/secret"});
  EXPECT_EQ(read_file(host), "of the machine");
  expect(0, {"cp", "--index", "1", "new", "web:/tmp/root/tmp/new"});
  EXPECT_EQ(inside("cat /tmp/new"), "new");
}

// CVE-2018-15664: a directory that becomes a link between the look and the copy.
TEST_F(CpTest, ADirectoryThatBecomesALinkLeadsNowhere) {
  fs::create_directory(file("host"));
  write("host/file", "of the machine");
  write("new", "of the copy");
  inside("mkdir -p " + directory_ + "; mkdir /tmp/a /tmp/a/b; ln -s " + directory_ +
         " /tmp/evil; (while :; do mv /tmp/a/b /tmp/a/c; mv /tmp/evil /tmp/a/b; "
         "mv /tmp/a/b /tmp/evil; mv /tmp/a/c /tmp/a/b; done) >/dev/null 2>&1 </dev/null &");
  for (int i = 0; i < 60; ++i) {
    pcompose({"cp", "--index", "1", "new", "web:/tmp/a/b/host/file"});
    pcompose({"cp", "--index", "1", "web:/tmp/a/b/host/file", "got"});
    ASSERT_EQ(read_file(file("host/file")), "of the machine");
    if (fs::exists(file("got"))) ASSERT_NE(read_file(file("got")), "of the machine");
  }
}

}  // namespace
}  // namespace pcompose::test
