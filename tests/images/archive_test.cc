// Images to archives and back: ours, skopeo's and podman's.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <thread>
#include <unistd.h>

#include "base/fd.h"
#include "tests/images/pull_fixture.h"

namespace pcompose::engine {
namespace {

using fixture::ImageParts;
using fixture::make_tar;
using fixture::run_program;
using testing::ElementsAre;
using testing::HasSubstr;

class Archive : public PullTest {
 protected:
  // An image with everything that a layer may have; returns its id.
  enum class Duplicates { with, without };  // podman takes no layer with two entries of a name
  std::string make(const std::string& name, Duplicates duplicates = Duplicates::with) {
    ImageParts parts;
    parts.config = R"({"Cmd":["sh"],"Env":["A=1"]})";
    parts.layers = {
        make_tar({{.path = "etc/", .type = 'd', .mode = 0755},
                  {.path = "etc/a", .content = name},
                  {.path = "hard", .type = 'h', .content = "etc/a"},
                  {.path = "soft", .type = 'l', .content = "../outside"},
                  {.path = "big", .content = std::string(3'000'000, 'b')},
                  {.path = "null", .type = 'c', .mode = 0666, .major = 1, .minor = 3},
                  {.path = "owned", .content = "x", .uid = 1234, .gid = 99},
                  {.path = "gr\xc3\xbc\xc3\x9f", .content = "g"}}),
        make_tar({{.path = "etc/.wh.a"},
                  {.path = "new/.wh..wh..opq"},
                  {.path = "f", .content = "1"},
                  {.path = duplicates == Duplicates::with ? "f" : "g", .content = "2"}})};
    return fixture::write_layout(directory_ / name, parts);
  }
  void save(const std::vector<std::string>& references, ArchiveFormat format,
            const std::string& path) {
    bool directory =
        format == ArchiveFormat::oci_directory || format == ArchiveFormat::docker_directory;
    if (directory) fs::create_directory(path);
    Fd output = directory ? open_file(path, O_RDONLY | O_DIRECTORY)
                          : open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    store_.save(references, format, output);
  }
  void forget_all() {
    for (const ImageTag& tag : store_.tags()) store_.remove(tag.reference, {}, Force::no);
    EXPECT_THAT(layer_directories(), testing::IsEmpty());
  }
  // The digest of the configuration of what skopeo reads there.
  std::string skopeo_id(const std::string& source) {
    return sha256_hex(
        run_program({"skopeo", "--insecure-policy", "inspect", "--config", "--raw", source}));
  }
  void skopeo_copy(const std::string& from, const std::string& to) {
    run_program({"skopeo", "--insecure-policy", "copy", "-q", from, to});
  }
};

struct Kind {
  const char* name;
  ArchiveFormat format;
  const char* transport;
};
constexpr Kind kKinds[] = {{"docker", ArchiveFormat::docker_archive, "docker-archive:"},
                           {"oci", ArchiveFormat::oci_archive, "oci-archive:"},
                           {"layout", ArchiveFormat::oci_directory, "oci:"},
                           {"dir", ArchiveFormat::docker_directory, "dir:"}};

TEST_F(Archive, SavedImagesAreReadBackBySkopeoAndByUs) {
  std::string id = make("app");
  for (const Kind& kind : kKinds) {
    store_.load(directory_ / "app", "some/app:1");
    std::string path = directory_ / kind.name;
    save({"some/app:1"}, kind.format, path);
    EXPECT_EQ(skopeo_id(kind.transport + path), id) << kind.name;
    // All of it, with every digest verified.
    fs::remove_all(directory_ / "copy");
    skopeo_copy(kind.transport + path, "dir:" + (directory_ / "copy"));
    forget_all();
    bool nameless = kind.format == ArchiveFormat::docker_directory;
    store_.load(path, nameless ? "some/app:1" : "");
    EXPECT_EQ(store_.find("some/app:1")->id, id) << kind.name;
    struct stat status{};
    std::string file = store_.links_directory() + "/" + store_.find("some/app:1")->layers.at(1);
    ASSERT_EQ(::stat((file + "/owned").c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, fixture::host_id(1234));
    forget_all();
  }
}

TEST_F(Archive, WhatSkopeoWritesLoads) {
  std::string id = make("app");
  for (const Kind& kind : kKinds) {
    std::string path = directory_ / kind.name;
    bool named = kind.format == ArchiveFormat::docker_archive;
    skopeo_copy("oci:" + (directory_ / "app"),
                kind.transport + path + (named ? ":docker.io/library/some:1" : ""));
    store_.load(path, "some:1");
    EXPECT_EQ(store_.find("some:1")->id, id) << kind.name;
    forget_all();
  }
}

TEST_F(Archive, WhatPodmanWritesLoadsAndPodmanLoadsOurs) {
  if (!fs::exists("/usr/bin/podman")) GTEST_SKIP() << "podman is installed for benches only";
  fs::create_directory(directory_ / "home");
  std::string id = make("app", Duplicates::without), root = directory_ / "podman";
  auto podman = [&](std::vector<std::string> words) {
    std::vector<std::string> argv = {"podman",      "--root",           root, "--runroot",
                                     root + "-run", "--storage-driver", "vfs"};
    argv.insert(argv.end(), words.begin(), words.end());
    return run_program(argv);
  };
  std::string ours = directory_ / "ours.tar";
  store_.load(directory_ / "app", "docker.io/library/app:1");
  save({"app:1"}, ArchiveFormat::docker_archive, ours);
  podman({"load", "-q", "-i", ours});
  EXPECT_THAT(podman({"images", "--no-trunc", "-q"}), HasSubstr(id));
  forget_all();
  for (const char* format : {"docker-archive", "oci-archive", "oci-dir", "docker-dir"}) {
    std::string path = directory_ / format;
    podman({"save", "-q", "--format", format, "-o", path, "docker.io/library/app:1"});
    store_.load(path, "app:1");
    // podman writes configurations anew when it changes the format.
    bool oci = std::string_view(format).starts_with("oci");
    std::string archive = std::string(format) == "oci-dir" ? "oci:" : "oci-archive:";
    EXPECT_EQ(store_.find("app:1")->id, oci ? skopeo_id(archive + path) : id) << format;
    forget_all();
  }
  podman({"rmi", "-f", id});
  store_.load(directory_ / "app", "docker.io/library/app:1");
  save({"app:1"}, ArchiveFormat::oci_archive, directory_ / "ours.oci");
  podman({"load", "-q", "-i", directory_ / "ours.oci"});
  EXPECT_THAT(podman({"images", "--no-trunc", "-q"}), HasSubstr(id));
  podman({"rmi", "-f", id});
}

TEST_F(Archive, SeveralImagesShareTheirLayers) {
  ImageParts parts;
  parts.layers = {make_tar({{.path = "base", .content = std::string(2'000'000, 'x')}})};
  std::string first = fixture::write_layout(directory_ / "first", parts);
  parts.layers.push_back(make_tar({{.path = "more", .content = "m"}}));
  std::string second = fixture::write_layout(directory_ / "second", parts);
  store_.load(directory_ / "first", "first:1");
  store_.load(directory_ / "second", "second:1");
  store_.tag("second:1", "second:2");
  for (ArchiveFormat format : {ArchiveFormat::docker_archive, ArchiveFormat::oci_archive}) {
    std::string path = directory_ / "both.tar";
    save({"first:1", "second:1", "second:2"}, format, path);
    EXPECT_LT(fs::file_size(path), 3'000'000U) << "the common layer is there once";
    forget_all();
    EXPECT_EQ(store_.load(path).size(), 3U);
    EXPECT_EQ(store_.find("first:1")->id, first);
    EXPECT_EQ(store_.find("second:2")->id, second);
  }
  EXPECT_THROW(save({"first:1", "second:1"}, ArchiveFormat::docker_directory, directory_ / "d"),
               Error);
  EXPECT_THROW(save({"nothing"}, ArchiveFormat::oci_archive, directory_ / "n"), Error);
}

TEST_F(Archive, ThroughAPipe) {
  std::string id = make("app");
  store_.load(directory_ / "app", "app:1");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd read_end(ends[0]), write_end(ends[1]);
  std::string got;
  std::thread reader([&] { got = read_all(read_end.get()); });
  store_.save({"app:1"}, ArchiveFormat::docker_archive, write_end);
  write_end.reset();
  reader.join();
  forget_all();
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  Fd in(ends[0]), out(ends[1]);
  std::thread writer([&] {
    write_all(out.get(), got);
    out.reset();
  });
  EXPECT_THAT(store_.load(in, "stdin", ""), ElementsAre("docker.io/library/app:1"));
  writer.join();
  EXPECT_EQ(store_.find("app:1")->id, id);
}

TEST_F(Archive, ATarIsImported) {
  std::string tar = make_tar({{.path = "bin/", .type = 'd', .mode = 0755},
                              {.path = "bin/x", .content = "x", .mode = 0755, .uid = 7}});
  ImportWish wish{"mine:1",
                  {"CMD [\"/bin/x\"]", "env A=1 B=\"two words\"", "ENV C old form",
                   "EXPOSE 80 53/udp", "LABEL a=b", "VOLUME /data", "USER 7", "WORKDIR /w",
                   "STOPSIGNAL SIGINT", "ENTRYPOINT run it"},
                  "by hand",
                  ""};
  for (const std::string& blob : {tar, fixture::gzip(tar), fixture::zstd(tar)}) {
    write("root.tar", blob);
    std::string id = store_.import(open_file(directory_ / "root.tar", O_RDONLY), wish);
    auto image = store_.find("mine:1");
    ASSERT_TRUE(image);
    EXPECT_EQ(image->id, id);
    EXPECT_THAT(image->config.cmd, ElementsAre("/bin/x"));
    EXPECT_THAT(image->config.env, ElementsAre("A=1", "B=two words", "C=old form"));
    EXPECT_THAT(image->config.exposed_ports, testing::UnorderedElementsAre("80/tcp", "53/udp"));
    EXPECT_THAT(image->config.entrypoint, ElementsAre("/bin/sh", "-c", "run it"));
    EXPECT_EQ(image->config.user, "7");
    EXPECT_THAT(store_.raw_config(id).value(), HasSubstr("by hand"));
    EXPECT_EQ(read_file(store_.links_directory() + "/" + image->layers.at(0) + "/bin/x"), "x");
    save({"mine:1"}, ArchiveFormat::docker_archive, directory_ / "again.tar");
    forget_all();
    store_.load(directory_ / "again.tar");
    EXPECT_EQ(store_.find("mine:1")->id, id);
    forget_all();
  }
  write("root.tar", "this is no archive, however long it may be");
  EXPECT_THROW(store_.import(open_file(directory_ / "root.tar", O_RDONLY), wish), Error);
  wish.changes = {"RUN rm -rf /"};
  EXPECT_THROW(store_.import(open_file(directory_ / "root.tar", O_RDONLY), wish), Error);
}

TEST_F(Archive, ADirectoryIsImported) {
  std::string tree = directory_ / "tree";
  fs::create_directories(tree + "/d/e");
  write("tree/d/e/f", std::string(600'000, 'f'));
  fs::create_hard_link(tree + "/d/e/f", tree + "/hard");
  fs::create_symlink("/nowhere", tree + "/soft");
  bool root = !fixture::is_rootless();  // others make no devices and give nothing away
  if (root) {
    ASSERT_EQ(::mknod((tree + "/null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)), 0);
    ASSERT_EQ(::chown((tree + "/d").c_str(), 5, 6), 0);
  }
  ASSERT_EQ(::setxattr((tree + "/d/e/f").c_str(), "user.kept", "v", 1, 0), 0);
  std::string id = store_.import(open_file(tree, O_RDONLY | O_DIRECTORY), {"tree:1", {}, "", ""});
  auto image = store_.find("tree:1");
  std::string layer = store_.links_directory() + "/" + image->layers.at(0);
  struct stat status{};
  ASSERT_EQ(::lstat((layer + "/hard").c_str(), &status), 0);
  EXPECT_EQ(status.st_nlink, 2U);
  EXPECT_EQ(status.st_size, 600'000);
  if (root) {
    ASSERT_EQ(::lstat((layer + "/null").c_str(), &status), 0);
    EXPECT_TRUE(S_ISCHR(status.st_mode));
  }
  ASSERT_EQ(::lstat((layer + "/d").c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, root ? 6U : ::getgid());
  char value[4];
  EXPECT_EQ(::getxattr((layer + "/d/e/f").c_str(), "user.kept", value, sizeof value), 1);
  EXPECT_EQ(fs::read_symlink(layer + "/soft"), "/nowhere");
  save({"tree:1"}, ArchiveFormat::oci_archive, directory_ / "tree.tar");
  EXPECT_EQ(skopeo_id("oci-archive:" + (directory_ / "tree.tar")), id);
}

}  // namespace
}  // namespace pcompose::engine
