// Commands about images, by the built program: what people and scripts see.
#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <thread>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "compose/project.h"
#include "scheduler/images.h"
#include "tests/images/pull_fixture.h"
#include "tests/images/refusing_server.h"

namespace pcompose::engine {
namespace {

using fixture::Registry;
using fixture::run_program;
using testing::HasSubstr;

struct Ended {
  int code = 0;
  std::string out, err;
};

class Commands : public PullTest {
 protected:
  std::vector<std::string> environment() {
    std::vector<std::string> out = current_environment();
    std::erase_if(out, [](const std::string& v) { return v.starts_with("PCOMPOSE_ROOT="); });
    out.push_back("PCOMPOSE_ROOT=" + roots_.state);
    return out;
  }
  Ended run(std::vector<std::string> words, const std::string& input = "/dev/null") {
    words.insert(words.begin(), own_program("pcompose"));
    Fd in = open_file(input, O_RDONLY);
    Fd out = open_file(directory_ / "stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    Fd err = open_file(directory_ / "stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    Child child = spawn({.argv = words,
                         .environment = environment(),
                         .fds = {{in.get(), 0}, {out.get(), 1}, {err.get(), 2}},
                         .directory = directory_.path()});
    int code = child.wait().code();
    return {code, read_file(directory_ / "stdout"), read_file(directory_ / "stderr")};
  }
  Ended expect(int code, std::vector<std::string> words, const std::string& input = "/dev/null") {
    Ended out = run(std::move(words), input);
    EXPECT_EQ(out.code, code) << out.out << out.err;
    return out;
  }
};

TEST_F(Commands, ConfigPinsDigests) {
  Registry registry(directory_ / "registry");
  layout("app", {1000});
  registry.push(directory_ / "app", "app:1");
  std::string name = registry.host() + "/app:1";
  auto digest = store_.digests({{name, ""}}).at(0).digest;
  write("compose.yaml",
        fmt::format("name: pins\nservices:\n  web:\n    image: {0}\n    ports: ['80']\n"
                    "  fixed:\n    image: {0}@{1}\n  built:\n    build: .\n",
                    name, digest));
  std::string pinned = "image: " + name + "@" + digest;
  Ended all = expect(0, {"config", "--resolve-image-digests"});
  EXPECT_THAT(all.out, HasSubstr(pinned));
  EXPECT_THAT(all.out, HasSubstr("ports:"));
  // Where there is a digest it decides, and the tag goes.
  EXPECT_THAT(all.out, HasSubstr("image: " + registry.host() + "/app@" + digest));
  Ended lock = expect(0, {"config", "--lock-image-digests", "-o", "lock.yaml"});
  EXPECT_EQ(lock.out, "");
  std::string text = read_file(directory_ / "lock.yaml");
  EXPECT_THAT(text, HasSubstr(pinned));
  EXPECT_THAT(text, testing::Not(HasSubstr("ports")));
  EXPECT_THAT(text, testing::Not(HasSubstr("built")));
  Ended merged = expect(0, {"-f", "compose.yaml", "-f", "lock.yaml", "config"});
  EXPECT_THAT(merged.out, HasSubstr(pinned));
  EXPECT_THAT(expect(0, {"config", "--resolve-image-digests", "--format", "json"}).out,
              HasSubstr(name + "@" + digest));
  write("compose.yaml", "services:\n  web:\n    image: " + registry.host() + "/missing:1\n");
  Ended missing = expect(1, {"config", "--resolve-image-digests"});
  EXPECT_THAT(missing.err, HasSubstr("does not have missing:1 (404)"));
  EXPECT_EQ(missing.out, "");
}

TEST_F(Commands, PushOfServices) {
  Registry registry(directory_ / "registry");
  layout("app", {1000});
  store_.load(directory_ / "app", registry.host() + "/app:1");
  store_.tag(registry.host() + "/app:1", registry.host() + "/app:extra");
  write("compose.yaml",
        fmt::format("services:\n  app:\n    image: {0}/app:1\n    build:\n      context: .\n"
                    "      tags: ['{0}/other:2']\n  db:\n    image: {0}/db:1\n"
                    "  lost:\n    image: {0}/lost:1\n    build: .\n",
                    registry.host()));
  Ended one = expect(0, {"push", "app", "db"});
  EXPECT_THAT(one.err, HasSubstr("Service db Skipped"));
  EXPECT_THAT(one.err, HasSubstr("app:1 Pushed"));
  for (const char* name : {"/app:1", "/other:2"})
    run_program({"skopeo", "inspect", "--tls-verify=false", "docker://" + registry.host() + name});
  EXPECT_THAT(expect(1, {"push"}).err, HasSubstr("no such image"));
  EXPECT_THAT(expect(0, {"push", "--ignore-push-failures"}).err, HasSubstr("[ignored]"));
  EXPECT_THAT(expect(0, {"--dry-run", "push", "app"}).out, HasSubstr("DRY-RUN MODE - push"));
  Ended image =
      expect(0, {"image", "push", "-q", registry.host() + "/app:1", registry.host() + "/third"});
  EXPECT_TRUE(image.out.starts_with("sha256:")) << image.out;
  EXPECT_EQ(image.err, "");
}

TEST_F(Commands, PullOfServices) {
  Registry registry(directory_ / "registry");
  layout("app", {1000});
  for (const char* name : {"app:1", "dep:1"}) registry.push(directory_ / "app", name);
  write("compose.yaml",
        fmt::format("services:\n  app:\n    image: {0}/app:1\n    depends_on: [dep]\n"
                    "  dep:\n    image: {0}/dep:1\n  lost:\n    image: {0}/lost:1\n"
                    "  kept:\n    image: {0}/kept:1\n    pull_policy: never\n"
                    "  source:\n    build: .\n"
                    "  both:\n    image: {0}/both:1\n    build: .\n",
                    registry.host()));
  auto has = [&](const std::string& name) {
    return store_.find(registry.host() + name).has_value();
  };
  EXPECT_THAT(expect(0, {"pull", "app"}).err, HasSubstr("app:1 Pulled"));
  EXPECT_FALSE(has("/dep:1"));
  Ended quiet = expect(0, {"pull", "--quiet", "--include-deps", "app"});
  EXPECT_EQ(quiet.out + quiet.err, "");
  EXPECT_TRUE(has("/dep:1"));
  Ended failed = expect(1, {"pull"});
  EXPECT_THAT(failed.err, HasSubstr("compose.yaml:8:12: services.lost.image: "));
  EXPECT_THAT(failed.err, testing::Not(HasSubstr("kept")));
  EXPECT_THAT(failed.err, HasSubstr("Service source Skipped No image to be pulled"));
  Ended ignored = expect(0, {"pull", "--ignore-pull-failures", "--policy", "missing"});
  EXPECT_THAT(ignored.err, HasSubstr("[ignored]"));
  EXPECT_THAT(ignored.err, HasSubstr("app:1 Skipped Image is already present locally"));
  EXPECT_THAT(ignored.err, HasSubstr("built from source by running:\n    pcompose build both\n"));
  EXPECT_THAT(expect(0, {"pull", "app"}).err, HasSubstr("app:1 Pulled"));
  EXPECT_THAT(expect(0, {"--dry-run", "pull"}).out, HasSubstr("app:1"));
  Ended missing = expect(0, {"--dry-run", "pull", "--policy", "missing"});
  EXPECT_THAT(missing.out, testing::Not(HasSubstr("app:1")));
  EXPECT_THAT(missing.out, HasSubstr("lost:1"));
  EXPECT_NE(run({"pull", "--policy", "hourly"}).code, 0);
}

TEST_F(Commands, PoliciesSayWhenAnImageIsOld) {
  layout("app", {1000});
  const std::string name = "registry.invalid/app:1";
  store_.load(directory_ / "app", name);
  auto asks = [&](const std::string& policy, const std::string& image) {
    compose::Project project;
    compose::Service& service = project.services["app"];
    service.name = "app";
    service.image = image;
    service.pull_policy = policy;
    return !scheduler::images_needed(roots_, project, "").to_pull.empty();
  };
  auto looked = [&](const std::string& ago) {
    SQLite::Statement row(database_.get(),
                          "INSERT OR REPLACE INTO image_pulls VALUES(?, strftime('%s','now',?))");
    row.bind(1, name);
    row.bind(2, "-" + ago);
    row.exec();
  };
  for (const char* policy : {"", "missing", "if_not_present"}) {
    EXPECT_FALSE(asks(policy, name)) << policy;
    EXPECT_TRUE(asks(policy, "registry.invalid/other:1")) << policy;
  }
  for (const char* policy : {"never", "build"})
    EXPECT_FALSE(asks(policy, "registry.invalid/other:1")) << policy;
  EXPECT_TRUE(asks("always", name));
  EXPECT_TRUE(asks("daily", name)) << "nobody knows how old it is";
  looked("11 hours");
  for (const char* policy : {"daily", "weekly", "every_12h"})
    EXPECT_FALSE(asks(policy, name)) << policy;
  looked("13 hours");
  EXPECT_TRUE(asks("every_12h", name));
  EXPECT_FALSE(asks("daily", name));
  looked("25 hours");
  EXPECT_TRUE(asks("daily", name));
  EXPECT_FALSE(asks("weekly", name));
  EXPECT_FALSE(asks("every_1d12h", name));
  looked("8 days");
  EXPECT_TRUE(asks("weekly", name));
  EXPECT_THROW(asks("every_so_often", name), Error);
}

TEST_F(Commands, SaveLoadAndImportThroughStreams) {
  std::string id = layout("app", {100'000});
  store_.load(directory_ / "app", "app:1");
  Ended saved = expect(0, {"image", "save", "app:1"});
  write("saved.tar", saved.out);
  expect(0, {"image", "rm", "app:1"});
  EXPECT_THAT(expect(0, {"image", "load"}, directory_ / "saved.tar").out,
              HasSubstr("Loaded image: docker.io/library/app:1"));
  expect(0, {"image", "save", "-o", "app.oci", "--format", "oci-archive", "app:1"});
  expect(0, {"image", "save", "-o", "layout", "--format", "oci-dir", "app:1"});
  EXPECT_THAT(expect(1, {"image", "save", "-o", "layout", "--format", "oci-dir", "app:1"}).err,
              HasSubstr("not empty"));
  expect(1, {"image", "save", "-o", "none.tar", "nothing:1"});
  EXPECT_FALSE(fs::exists(directory_ / "none.tar"));
  for (const auto& entry : fs::directory_iterator(directory_.path()))
    EXPECT_FALSE(entry.path().filename().string().contains(".tmp-")) << entry.path();
  expect(0, {"image", "rm", "app:1"});
  expect(0, {"image", "load", "-i", "app.oci"});
  EXPECT_EQ(store_.find("app:1")->id, id);
  write("tree/f", "x");
  Ended imported = expect(0, {"image", "import", "tree", "tree:1", "-c", "CMD [\"f\"]"});
  EXPECT_EQ(imported.out, "sha256:" + store_.find("tree:1")->id + "\n");
  EXPECT_THAT(expect(1, {"image", "load", "-i", "missing"}).err, HasSubstr("load missing"));
}

TEST_F(Commands, SystemCheckFindsWhatIsWrong) {
  EXPECT_EQ(expect(0, {"system", "check"}).out, "nothing is wrong\n");
  layout("app", {100'000, 2000});
  layout("other", {300'000});
  store_.load(directory_ / "app", "app:1");
  store_.load(directory_ / "other", "other:1");
  expect(0, {"system", "check", "-q"});
  auto layer_of = [&](const char* name) {
    return fs::canonical(store_.links_directory() + "/" + store_.find(name)->layers.at(0))
        .parent_path();
  };
  // What nobody knows.
  fs::create_directory(roots_.state + "/layers/" + std::string(64, 'a'));
  fs::create_directory(roots_.state + "/layers/.tmp-" + std::string(64, 'b'));
  fs::create_symlink("x", store_.links_directory() + "/dangling");
  write("state/documents/" + std::string(64, 'c'), "x");
  fs::create_directories(roots_.state + "/containers/" + std::string(64, 'd') + "/upper");
  Ended found = expect(1, {"system", "check"});
  for (const char* what :
       {"no image has the layer aaaaaaaaaaaa", "never finished: bbbbbbbbbbbb",
        "short name dangling", "document cccccccccc", "no row knows the container"})
    EXPECT_THAT(found.out, HasSubstr(what));
  expect(0, {"system", "prune", "-f"});
  EXPECT_EQ(expect(0, {"system", "check"}).out, "nothing is wrong\n");
  // What is missing.
  fs::path layer = layer_of("app:1");
  fs::rename(layer / "layer.json", directory_ / "kept");
  EXPECT_THAT(expect(1, {"system", "check"}).out, HasSubstr("remove and pull app:1"));
  fs::rename(directory_ / "kept", layer / "layer.json");
  write("state/documents/" + store_.find("other:1")->id, "damaged");
  EXPECT_THAT(expect(1, {"system", "check"}).out, HasSubstr("configuration"));
  expect(0, {"image", "rm", "other:1"});
  expect(0, {"system", "check"});
  expect(0, {"system", "prune", "-a", "-f"});
  EXPECT_TRUE(store_.tags().empty());
  EXPECT_THAT(layer_directories(), testing::IsEmpty());
}

TEST_F(Commands, SystemDfCountsSharedLayersOnce) {
  fixture::ImageParts parts;
  parts.layers = {fixture::make_tar({{.path = "base", .content = std::string(2'000'000, 'x')}})};
  fixture::write_layout(directory_ / "first", parts);
  parts.layers.push_back(
      fixture::make_tar({{.path = "more", .content = std::string(500'000, 'y')}}));
  fixture::write_layout(directory_ / "second", parts);
  store_.load(directory_ / "first", "first:1");
  store_.load(directory_ / "second", "second:1");
  json::value usage = json::parse(expect(0, {"system", "df", "--format", "json"}).out);
  const json::object& images = usage.at(0).as_object();
  EXPECT_EQ(images.at("Type"), "Images");
  EXPECT_EQ(images.at("Total"), 2);
  EXPECT_EQ(images.at("Active"), 0);
  EXPECT_EQ(images.at("RawSize"), 2'500'000);
  EXPECT_EQ(images.at("RawReclaimable"), 2'500'000);
  EXPECT_EQ(usage.at(2).at("Type"), "Local Volumes");
  EXPECT_THAT(expect(0, {"system", "df"}).out, HasSubstr("2.5MB (100%)"));
  Ended verbose = expect(0, {"system", "df", "-v"});
  EXPECT_THAT(verbose.out, HasSubstr("UNIQUE SIZE"));
  EXPECT_THAT(verbose.out, HasSubstr("second:1"));
}

TEST_F(Commands, PruneAsksFirst) {
  layout("app", {1000});
  store_.load(directory_ / "app", "app:1");
  write("no", "n\n");
  write("yes", "y\n");
  expect(1, {"system", "prune", "-a"}, directory_ / "no");
  EXPECT_EQ(store_.tags().size(), 1U);
  expect(0, {"system", "prune", "-a"}, directory_ / "yes");
  EXPECT_TRUE(store_.tags().empty());
}

TEST_F(Commands, ATerminalSeesEachLayerInPlace) {
  Registry registry(directory_ / "registry");
  layout("app", {25'000'000, 12'000'000});
  registry.push(directory_ / "app", "app");
  int master = -1, slave = -1;
  winsize size{.ws_row = 30, .ws_col = 100};
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, &size), 0);
  Fd ours(master), theirs(slave), nothing = open_file("/dev/null", O_RDWR);
  Child child = spawn({.argv = {own_program("pcompose"), "image", "pull", registry.host() + "/app"},
                       .environment = environment(),
                       .fds = {{nothing.get(), 0}, {nothing.get(), 1}, {theirs.get(), 2}},
                       .directory = directory_.path()});
  theirs.reset();
  std::string seen;
  char buffer[4096];
  for (ssize_t n = 1; n > 0;) {
    n = ::read(ours.get(), buffer, sizeof buffer);  // EIO at its end
    if (n > 0) seen.append(buffer, static_cast<size_t>(n));
  }
  EXPECT_EQ(child.wait().code(), 0) << seen;
  EXPECT_THAT(seen, HasSubstr("Downloading"));
  EXPECT_THAT(seen, testing::ContainsRegex("[0-9.]+MB / 25\\.0MB +[0-9.]+MB/s"));
  EXPECT_THAT(seen, HasSubstr("\033[2A\033[J")) << "two lines, drawn over";
  EXPECT_THAT(seen, HasSubstr("Pulled"));
}

}  // namespace
}  // namespace pcompose::engine
