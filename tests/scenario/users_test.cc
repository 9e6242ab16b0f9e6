// userns_mode: containers with a user namespace of their own.
#include <filesystem>
#include <fstream>
#include <sys/mount.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/fixture/busybox_image.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/ordinary_user.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

namespace fs = std::filesystem;

class UsersTest : public StackTest {
 protected:
  void SetUp() override {
    StackTest::SetUp();
    fixture::ImageParts parts;
    parts.config = R"({"Cmd":["sleep","1000"],"Volumes":{}})";
    parts.layers = {
        fixture::busybox_layer(),
        fixture::make_tar(
            {{.path = "srv", .type = 'd', .mode = 0755},
             {.path = "srv/of-app", .content = "app", .mode = 0600, .uid = 77, .gid = 78},
             {.path = "gone", .type = 'd'},
             {.path = "gone/file"}})};
    std::string layout = file("layout");
    fixture::write_layout(layout, parts);
    fixture::give_to_user(layout);
    expect(0, {"image", "load", "--name", "owned", layout});
    if (!fixture::is_rootless()) give_range("containers:200000:400000\n");
  }

  // What /etc/subuid and /etc/subgid say, for this test's mount namespace.
  void give_range(const std::string& text) const {
    for (const char* name : {"subuid", "subgid"}) {
      std::string target = std::string("/etc/") + name, source = file(name);
      std::ofstream(source) << text;
      ::umount2(target.c_str(), MNT_DETACH);
      if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
        throw Error::from_errno("bind " + target);
    }
  }
  void TearDown() override {
    for (const char* name : {"/etc/subuid", "/etc/subgid"}) {
      if (!fixture::is_rootless()) ::umount2(name, MNT_DETACH);
    }
    StackTest::TearDown();
  }

  std::string in(const std::string& service, const std::string& command) {
    return expect(0, {"exec", "-T", service, "sh", "-c", command}).out;
  }
};

constexpr const char* kTwo = R"(services:
  a:
    image: owned
    command: sleep 1000
    stop_grace_period: 0s
    userns_mode: auto
    volumes: ['data:/srv', './here:/here']
    configs: [{source: note, target: /note, uid: '77', gid: '78', mode: 0400}]
  b:
    image: owned
    command: sh -c 'echo out > /dev/stdout; echo err > /dev/stderr; exec sleep 1000'
    stop_grace_period: 0s
    userns_mode: auto
    tmpfs: [/scratch]
    ports: ['127.0.0.1:18123:80']
volumes: {data: {}}
configs: {note: {content: hello}}
)";

TEST_F(UsersTest, EachHasARangeOfItsOwnAndSeesTheImagesOwners) {
  fs::create_directory(file("here"));
  fs::permissions(file("here"), fs::perms::all);
  give_to_user(file("here"));
  compose(kTwo);
  expect(0, {"up", "-d"});
  EXPECT_NE(in("a", "cat /proc/self/uid_map"), in("b", "cat /proc/self/uid_map"));
  for (const char* service : {"a", "b"}) {
    EXPECT_EQ(in(service, "id -u; id -g"), "0\n0\n");
    EXPECT_EQ(in(service, "stat -c '%u:%g %a' / /srv/of-app /bin /etc/hosts"),
              "0:0 755\n77:78 600\n0:0 755\n0:0 644\n");
    // Its own root has the rights of one within, and none beyond.
    in(service,
       "chown 5:6 /tmp && mount -t tmpfs none /mnt 2>/dev/null; rm -r /gone && "
       "mkdir /gone && chown 77 /gone && test -z \"$(ls /gone)\"");
    EXPECT_EQ(in(service, "stat -c %u:%g /tmp /gone"), "5:6\n77:0\n");
    EXPECT_EQ(in(service, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
  }
  EXPECT_TRUE(eventually([&] { return lines("b").size() == 2; }));
  EXPECT_EQ(in("b", "mount | grep -c 'on /scratch type tmpfs'"), "1\n");
  EXPECT_EQ(in("a", "stat -c %u:%g:%a /note; cat /note"), "77:78:400\nhello");
  EXPECT_EQ(in("a", "nslookup b 127.0.0.11 | grep -c Address"),
            in("b", "nslookup a 127.0.0.11 | grep -c Address"));
  in("a", "echo more >> /srv/of-app && touch /srv/new");
  // Whoever of the host has the id 0 has nothing to do with it.
  if (!fixture::is_rootless()) {
    EXPECT_NE(in("a", "touch /here/x; stat -c %u /here/x"), "");
    struct stat made{};
    ASSERT_EQ(::stat(file("here/x").c_str(), &made), 0);
    EXPECT_GE(made.st_uid, 200000U);
  }
}

TEST_F(UsersTest, FilesKeepTheirOwnersAcrossRestartRecreateAndCp) {
  fs::create_directory(file("here"));
  compose(kTwo);
  expect(0, {"up", "-d"});
  in("a", "touch /srv/new /top && chown 77:78 /srv/new /top");
  std::string map = in("a", "cat /proc/self/uid_map");
  expect(0, {"restart", "a"});
  EXPECT_EQ(in("a", "stat -c %u:%g /srv/new /top /srv/of-app"), "77:78\n77:78\n77:78\n");
  expect(0, {"up", "-d", "--force-recreate", "a"});
  EXPECT_EQ(in("a", "cat /proc/self/uid_map"), map);
  EXPECT_EQ(in("a", "stat -c %u:%g /srv/new /srv/of-app"), "77:78\n77:78\n");
  expect(0, {"up", "-d", "--force-recreate", "-V", "a"});
  EXPECT_EQ(in("a", "stat -c %u:%g /srv/new /srv/of-app"), "77:78\n77:78\n");
  write("in.txt", "hello");
  expect(0, {"cp", "in.txt", "a:/in.txt"});
  EXPECT_EQ(in("a", "cat /in.txt"), "hello");
  EXPECT_EQ(in("a", "stat -c %u:%g /in.txt"), "0:0\n");
  expect(0, {"down"});
  expect(0, {"up", "-d"});
  EXPECT_EQ(in("a", "stat -c %u:%g /srv/new /srv/of-app"), "77:78\n77:78\n");
  // An ordinary user's volumes cannot be shown through a map: they are who wrote them first.
  if (fixture::is_rootless()) return;
  EXPECT_EQ(expect(0, {"run", "--rm", "-T", "a", "stat", "-c", "%u:%g", "/srv/new"}).out,
            "77:78\n");
}

// "uid:gid" of an entry of a tar; its headers are those of ustar (pax(1)), or behind such.
std::string owner_in(const std::string& tar, const std::string& name) {
  auto number = [&](size_t at, size_t size) {
    return std::stoul(tar.substr(at, size), nullptr, 8);
  };
  for (size_t at = 0; at + 512 <= tar.size() && tar[at] != '\0';) {
    std::string path = tar.c_str() + at;
    if (path == name || path == name + "/")
      return std::to_string(number(at + 108, 8)) + ":" + std::to_string(number(at + 116, 8));
    at += 512 + (number(at + 124, 12) + 511) / 512 * 512;
  }
  return "no " + name;
}

// What leaves a container has the ids of inside, and what comes in gets those that stand for them.
TEST_F(UsersTest, ExportAndCpShowTheIdsOfInside) {
  compose(R"(services:
  w: {image: owned, command: sleep 1000, stop_grace_period: 0s, userns_mode: auto}
)");
  expect(0, {"up", "-d"});
  in("w", "touch /top && chown 5:6 /top");
  auto check = [&](const std::string& when) {
    expect(0, {"export", "-o", file("w.tar"), "w"});
    std::string tar = read_file(file("w.tar"));
    EXPECT_EQ(owner_in(tar, "top"), "5:6") << when;
    EXPECT_EQ(owner_in(tar, "srv/of-app"), "77:78") << when;
    EXPECT_EQ(owner_in(tar, "bin"), "0:0") << when;
    tar = expect(0, {"cp", "w:/srv", "-"}).out;
    EXPECT_EQ(owner_in(tar, "srv/of-app"), "77:78") << when;
    if (fixture::is_rootless()) return;
    expect(0, {"cp", "-a", "w:/srv/of-app", file("copied")});
    struct stat copied{};
    ASSERT_EQ(::stat(file("copied").c_str(), &copied), 0);
    EXPECT_EQ(copied.st_uid, 77U) << when;
    EXPECT_EQ(copied.st_gid, 78U) << when;
  };
  check("running");
  std::string tar = fixture::make_tar({{.path = "into", .content = "x", .uid = 9, .gid = 10}});
  expect(0, {"cp", "-a", "-", "w:/srv"}, tar);
  EXPECT_EQ(in("w", "stat -c %u:%g /srv/into"), "9:10\n");
  expect(0, {"stop"});
  check("stopped");
  tar = fixture::make_tar({{.path = "later", .content = "x", .uid = 9, .gid = 10}});
  expect(0, {"cp", "-a", "-", "w:/srv"}, tar);
  expect(0, {"start"});
  EXPECT_EQ(in("w", "stat -c %u:%g /srv/later"), "9:10\n");
  tar = fixture::make_tar({{.path = "alien", .content = "x", .uid = 3000000}});
  Result refused = pcompose({"cp", "-a", "-", "w:/srv"}, tar);
  EXPECT_NE(refused.code, 0);
  EXPECT_NE(refused.err.find("alien belongs to user 3000000, whom the container does not have"),
            std::string::npos)
      << refused.err;
}

TEST_F(UsersTest, OutliveASupervisor) {
  fs::create_directory(file("here"));
  compose(kTwo);
  expect(0, {"up", "-d"});
  std::string map = in("a", "cat /proc/self/uid_map");
  pid_t old = supervisor();
  ASSERT_GT(old, 0);
  ASSERT_EQ(::kill(old, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return supervisor() > 0 && supervisor() != old; }));
  EXPECT_EQ(in("a", "cat /proc/self/uid_map"), map);
  expect(0, {"restart", "a"});
  EXPECT_EQ(in("a", "cat /proc/self/uid_map; stat -c %u /srv/of-app"), map + "77\n");
}

TEST_F(UsersTest, KeepIdIsForOrdinaryUsers) {
  compose(R"(services:
  w:
    image: owned
    command: sleep 1000
    stop_grace_period: 0s
    userns_mode: keep-id
    volumes: ['./here:/here']
  root: {image: owned, stop_grace_period: 0s, userns_mode: 'keep-id:uid=0,gid=0'}
)");
  fs::create_directory(file("here"));
  give_to_user(file("here"));
  if (!fixture::is_rootless()) {
    std::string err = expect(1, {"up", "-d", "w"}).err;
    EXPECT_NE(err.find("compose.yaml:7:"), std::string::npos) << err;
    EXPECT_NE(err.find("write userns_mode: auto"), std::string::npos) << err;
    return;
  }
  expect(0, {"up", "-d"});
  std::string own = std::to_string(fixture::user_id());
  EXPECT_EQ(in("w", "id -u; id -g"), own + "\n" + own + "\n");
  EXPECT_EQ(in("w", "stat -c %u:%g /here; touch /here/mine; stat -c %u:%g /here/mine"),
            own + ":" + own + "\n" + own + ":" + own + "\n");
  EXPECT_EQ(in("w", "stat -c %u:%g /srv/of-app /bin"), "77:78\n0:0\n");
  struct stat made{};
  ASSERT_EQ(::stat(file("here/mine").c_str(), &made), 0);
  EXPECT_EQ(made.st_uid, fixture::user_id());
  EXPECT_EQ(in("root", "id -u; stat -c %u /bin"), "0\n0\n");
  for (const char* service : {"w", "root"}) {
    std::string tar = expect(0, {"export", service}).out;
    EXPECT_EQ(owner_in(tar, "srv/of-app"), "77:78") << service;
    EXPECT_EQ(owner_in(tar, "bin"), "0:0") << service;
  }
}

TEST_F(UsersTest, WhatCannotBeSaysWhereAndHow) {
  auto refused = [&](const std::string& line, const std::string& place, const std::string& text) {
    compose(
        "services:\n  w:\n    image: busybox\n    command: sleep 1\n    userns_mode: auto\n    " +
        line + "\n");
    std::string err = expect(1, {"--dry-run", "up"}).err;
    EXPECT_NE(err.find("compose.yaml:" + place), std::string::npos) << err;
    EXPECT_NE(err.find(text), std::string::npos) << err;
  };
  refused("privileged: true", "7:17", "belongs to the machine's root");
  refused("network_mode: host", "7:19", "remove one of the two");
  refused("pid: host", "7:10", "remove one of the two");
  refused("ipc: host", "7:10", "remove one of the two");
  refused("uts: host", "7:10", "remove one of the two");
  refused("cgroup: host", "7:13", "remove one of the two");
  refused("runtime: crun", "7:14", "other runtimes");
  refused("oom_score_adj: -5", "7:20", "only the machine's root");
  refused("volumes: [{type: image, source: busybox, target: /i}]", "7:", "the owners");
  compose("services:\n  w: {image: busybox, userns_mode: nomap}\n");
  EXPECT_NE(expect(1, {"--dry-run", "up"}).err.find("keep-id:uid=N,gid=N"), std::string::npos);
  if (fixture::is_rootless()) return;
  give_range("");
  compose("services:\n  w: {image: busybox, command: sleep 9, userns_mode: auto}\n");
  std::string err = expect(1, {"up", "-d"}).err;
  EXPECT_NE(err.find("compose.yaml:3:"), std::string::npos) << err;
  EXPECT_NE(err.find("/etc/subuid"), std::string::npos) << err;
}

}  // namespace
}  // namespace pcompose::test
