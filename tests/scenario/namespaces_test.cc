// ipc: and pid: of other containers.
#include <filesystem>

#include "base/fd.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class NamespacesTest : public StackTest {
 protected:
  std::string in(const std::string& service, const std::string& command) {
    return expect(0, {"exec", "-T", service, "sh", "-c", command}).out;
  }
  std::string space(const std::string& service, const std::string& kind) {
    return in(service, "readlink /proc/self/ns/" + kind);
  }
  std::string id(const std::string& service) {
    return std::string(ps()[service].at("ID").as_string());
  }
};

constexpr const char* kShared = R"(services:
  db:
    image: busybox
    command: sleep 1234
    stop_grace_period: 0s
    ipc: shareable
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    ipc: service:db
    pid: service:db
)";

TEST_F(NamespacesTest, OfAnotherService) {
  compose(kShared);
  expect(0, {"up", "-d"});
  for (const char* kind : {"ipc", "pid"}) EXPECT_EQ(space("w", kind), space("db", kind)) << kind;
  EXPECT_NE(space("w", "mnt"), space("db", "mnt"));
  in("db", "echo from db > /dev/shm/note");
  EXPECT_EQ(in("w", "cat /dev/shm/note"), "from db\n");
  EXPECT_NE(in("w", "mount").find(" on /dev/shm type tmpfs"), std::string::npos);
  EXPECT_NE(in("w", "cat /proc/1/cmdline | tr '\\0' ' '").find("sleep 1234"), std::string::npos);
  EXPECT_NE(in("db", "ps").find("sleep 1000"), std::string::npos);
}

TEST_F(NamespacesTest, FollowARestartAndARecreate) {
  compose(kShared);
  expect(0, {"up", "-d"});
  expect(0, {"restart", "db"});
  EXPECT_EQ(state("w"), "running");
  for (const char* kind : {"ipc", "pid"}) EXPECT_EQ(space("w", kind), space("db", kind)) << kind;
  std::string before = id("w");
  EXPECT_NE(expect(0, {"--dry-run", "up", "--force-recreate", "db"})
                .out.find("w-1 (its ipc namespace is made anew)"),
            std::string::npos);
  expect(0, {"up", "-d", "--force-recreate", "db"});
  EXPECT_NE(id("w"), before);
  for (const char* kind : {"ipc", "pid"}) EXPECT_EQ(space("w", kind), space("db", kind)) << kind;
  expect(0, {"stop"});
  expect(0, {"start"});
  for (const char* kind : {"ipc", "pid"}) EXPECT_EQ(space("w", kind), space("db", kind)) << kind;
  // The supervisor that comes next knows whose they are.
  ::kill(supervisor(), SIGKILL);
  expect(0, {"restart", "db"});
  EXPECT_EQ(space("w", "ipc"), space("db", "ipc"));
}

TEST_F(NamespacesTest, OfAContainerByName) {
  compose(R"(services:
  db: {image: busybox, container_name: the-db, command: sleep 1000, stop_grace_period: 0s}
)");
  expect(0, {"up", "-d"});
  write("other.yaml", R"(name: other
services:
  w:
    image: busybox
    command: sleep 1000
    stop_grace_period: 0s
    ipc: container:the-db
    pid: container:the-db
  none: {image: busybox, command: sleep 1000, stop_grace_period: 0s, ipc: none}
)");
  expect(0, {"-f", "other.yaml", "up", "-d"});
  auto inside = [&](const std::string& service, const std::string& command) {
    return expect(0, {"-f", "other.yaml", "exec", "-T", service, "sh", "-c", command}).out;
  };
  for (const std::string kind : {"ipc", "pid"})
    EXPECT_EQ(inside("w", "readlink /proc/self/ns/" + kind), space("db", kind)) << kind;
  EXPECT_EQ(inside("none", "mount | grep -c /dev/shm || true"), "0\n");
  expect(0, {"-f", "other.yaml", "down"});
}

TEST_F(NamespacesTest, AreRefusedWithTheCure) {
  auto refused = [&](const std::string& owner, const std::string& mode, const std::string& text) {
    compose("services:\n  db: {image: busybox, command: sleep 1000, stop_grace_period: 0s, " +
            owner + "}\n  w:\n    image: busybox\n    command: sleep 1\n    " + mode + "\n");
    std::string err = expect(1, {"up", "-d"}).err;
    EXPECT_NE(err.find(text), std::string::npos) << err;
    EXPECT_NE(err.find("compose.yaml:7:"), std::string::npos) << err;
    expect(0, {"down"});
  };
  refused("ipc: private", "ipc: service:db", "write ipc: shareable at service db");
  refused("ipc: host", "ipc: service:db", "write ipc: host here, too");
  refused("init: false", "ipc: container:nobody", "there is no container nobody");
  refused("init: false", "pid: container:nobody", "there is no container nobody");
  refused("init: false", "pid: everybody", "private, host, service:NAME, container:NAME");
}

// A pid namespace of its own ends with its first process; in the host's, what it started would go
// on.
TEST_F(NamespacesTest, NobodyStaysBehindInAForeignPidNamespace) {
  if (::getenv("PCOMPOSE_TEST_ROOTLESS") != nullptr) GTEST_SKIP() << "no group to find them by";
  compose(R"(services:
  w:
    image: busybox
    command: sh -c 'sleep 4711 & sleep 0.2'
    pid: host
)");
  expect(0, {"up", "-d"});
  ASSERT_TRUE(eventually([&] { return state("w") == "exited"; }));
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code gone;
    if (!std::filesystem::exists(entry.path() / "cmdline", gone)) continue;
    std::string words;
    try {
      words = read_file(entry.path() / "cmdline");
    } catch (const std::exception&) {
      continue;  // it ended meanwhile
    }
    EXPECT_EQ(words.find(std::string("sleep\0004711", 10)), std::string::npos) << entry.path();
  }
}

}  // namespace
}  // namespace pcompose::test
