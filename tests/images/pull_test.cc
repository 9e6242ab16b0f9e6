// Pulling from real registries on loopback, and from servers that misbehave.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fixture/cut_proxy.h"
#include "tests/images/pull_fixture.h"
#include "tests/images/refusing_server.h"

namespace pcompose::engine {
namespace {

using fixture::CutProxy;
using fixture::Registry;
using testing::HasSubstr;
using Outcome = ImageResult::Outcome;

std::string login(const std::string& host, const std::string& base64) {
  return json::serialize(
      json::object{{"auths", json::object{{host, json::object{{"auth", base64}}}}}});
}

TEST_F(PullTest, OverPlainHttpOnLoopback) {
  Registry registry(directory_ / "registry");
  std::string id = layout("app", {300'000, 10, 2'000'000});
  registry.push(directory_ / "app", "some/app:1");
  std::string reference = registry.host() + "/some/app:1";
  ImageResult result = pull(reference);
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(result.reference, reference);
  auto image = store_.find(reference);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->layers.size(), 3U);
  EXPECT_EQ(content(*image, "last"), "app");
  EXPECT_EQ(sha256_hex(store_.raw_config(image->id).value()), image->id);
  EXPECT_EQ(id, image->id);
  EXPECT_EQ(pull(reference).outcome, Outcome::current);
  // By the digest that the tag had.
  std::string pinned = registry.host() + "/some/app@" + store_.manifest(reference);
  EXPECT_EQ(store_.find(pinned)->id, id);
}

TEST_F(PullTest, NotThere) {
  Registry registry(directory_ / "registry");
  ImageResult result = pull(registry.host() + "/some/app:2");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_THAT(result.error, HasSubstr("does not have some/app:2 (404)"));
  EXPECT_THAT(result.hint, HasSubstr("check the name"));
}

TEST_F(PullTest, OverTlsWithAnAuthorityInCertsD) {
  Registry registry(directory_ / "registry", {"--tls"});
  layout("app", {100'000});
  registry.push(directory_ / "app", "app");
  ImageResult refused = pull(registry.host() + "/app");
  EXPECT_THAT(refused.error, HasSubstr("is not trusted"));
  EXPECT_THAT(refused.hint, HasSubstr("certs.d/" + registry.host()));
  write("home/.config/containers/certs.d/" + registry.host() + "/ca.crt",
        read_file(registry.authority()));
  ImageResult result = pull(registry.host() + "/app");
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
}

TEST_F(PullTest, WithBasicAuthentication) {
  Registry registry(directory_ / "registry", {"--auth", "basic"});
  layout("app", {100'000});
  registry.push(directory_ / "app", "app");
  ImageResult refused = pull(registry.host() + "/app");
  EXPECT_THAT(refused.error, HasSubstr("pull access denied for app: "));
  EXPECT_THAT(refused.error, HasSubstr("without a login"));
  EXPECT_THAT(refused.hint, HasSubstr("pcompose login"));
  write("auth.json", login(registry.host(), "dGVzdGVyOndyb25n"));  // tester:wrong
  refused = pull(registry.host() + "/app");
  EXPECT_THAT(refused.error, HasSubstr("does not accept the login of \"tester\""));
  EXPECT_THAT(refused.error, testing::Not(HasSubstr("wrong")));
  write("auth.json", login(registry.host(), "dGVzdGVyOnNlY3JldA=="));  // tester:secret
  ImageResult result = pull(registry.host() + "/app");
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
}

TEST_F(PullTest, WithTokens) {
  Registry registry(directory_ / "registry", {"--auth", "token"});
  layout("app", {100'000, 200'000});
  registry.push(directory_ / "app", "private/app");
  registry.push(directory_ / "app", "public/app");
  EXPECT_EQ(pull(registry.host() + "/public/app").outcome, Outcome::pulled);
  EXPECT_THAT(pull(registry.host() + "/private/app").error, HasSubstr("without a login"));
  store_.verify_login(registry.host(), registry.user(), registry.password());
  EXPECT_THROW(store_.verify_login(registry.host(), registry.user(), "wrong"), Error);
  write("auth.json", login(registry.host(), "dGVzdGVyOnNlY3JldA=="));
  ImageResult result = pull(registry.host() + "/private/app");
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
}

TEST_F(PullTest, ACredentialHelperIsAsked) {
  Registry registry(directory_ / "registry", {"--auth", "basic"});
  layout("app", {1000});
  registry.push(directory_ / "app", "app");
  write("bin/docker-credential-test",
        "#!/bin/sh\nread -r host\n[ \"$1 $host\" = \"get " + registry.host() +
            "\" ] || { echo 'credentials not found in native keychain'; exit 1; }\n"
            "echo '{\"ServerURL\":\"x\",\"Username\":\"tester\",\"Secret\":\"secret\"}'\n");
  ::chmod((directory_ / "bin/docker-credential-test").c_str(), 0755);
  std::string path = std::getenv("PATH");
  ::setenv("PATH", ((directory_ / "bin") + ":" + path).c_str(), 1);
  write("auth.json", R"({"credsStore":"test"})");
  ImageResult result = pull(registry.host() + "/app");
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
}

TEST_F(PullTest, ACutConnectionIsTakenUpWhereItBroke) {
  Registry registry(directory_ / "registry");
  std::string id = layout("app", {9'000'000, 3'000'000});
  registry.push(directory_ / "app", "app");
  int64_t size = 0;
  for (const auto& [digest, bytes] : blobs("app")) size += bytes;
  for (unsigned seed = 1; seed <= 3; ++seed) {
    CutProxy proxy(registry.port(), 0, 1'500'000, 20, seed);
    ImageResult result = pull(fmt::format("127.0.0.1:{}/app", proxy.port()));
    ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
    EXPECT_EQ(result.id, id);
    EXPECT_GT(proxy.cuts(), 4);
    // Heads of answers, and small documents that were cut; of the layers nothing twice.
    EXPECT_LT(proxy.delivered(), size + 60'000) << seed;
    store_.remove(result.reference, {}, Force::no);
    EXPECT_THAT(layer_directories(), testing::IsEmpty());
  }
}

TEST_F(PullTest, AnotherBlobThanPromisedLeavesNothing) {
  Registry registry(directory_ / "registry");
  layout("app", {50'000});
  registry.push(directory_ / "app", "app");
  // The registry does not look at what it has on the disk.
  for (const auto& entry : fs::recursive_directory_iterator(directory_ / "registry/test/data")) {
    if (!entry.is_regular_file() || entry.path().filename() != "data" || entry.file_size() < 40'000)
      continue;
    std::string bytes = read_file(entry.path());
    bytes[30'000] = static_cast<char>(bytes[30'000] ^ 1);
    replace_file(entry.path(), bytes);
  }
  ImageResult result = pull(registry.host() + "/app");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_THAT(result.error, HasSubstr("is damaged: expected sha256:"));
  EXPECT_THAT(layer_directories(), testing::IsEmpty());
}

TEST_F(PullTest, ThePlatformIsChosenFromAnIndex) {
  Registry registry(directory_ / "registry");
  json::array manifests;
  std::map<std::string, std::string> ids;
  fs::create_directories(directory_ / "all/blobs/sha256");
  for (std::string platform : {"linux/arm64/v8", "linux/arm/v7", "linux/arm/v6", "linux/amd64"}) {
    std::string name = platform.substr(6);
    std::ranges::replace(name, '/', '-');
    ids[platform] = layout(name, {100}, R"({"Env":["P=)" + name + "\"]}");
    fs::copy(directory_ / (name + "/blobs"), directory_ / "all/blobs",
             fs::copy_options::recursive | fs::copy_options::skip_existing);
    json::value index = json::parse(read_file(directory_ / (name + "/index.json")));
    json::object descriptor = index.at("manifests").at(0).as_object();
    descriptor.erase("annotations");
    json::object members{{"os", "linux"}};
    size_t slash = platform.find('/', 6);
    members["architecture"] = platform.substr(6, slash - 6);
    if (slash != std::string::npos) members["variant"] = platform.substr(slash + 1);
    descriptor["platform"] = members;
    manifests.push_back(descriptor);
  }
  std::string type = "application/vnd.oci.image.index.v1+json";
  std::string list = json::serialize(
      json::object{{"schemaVersion", 2}, {"mediaType", type}, {"manifests", manifests}});
  replace_file(directory_ / ("all/blobs/sha256/" + sha256_hex(list)), list);
  json::object top{{"mediaType", type},
                   {"digest", "sha256:" + sha256_hex(list)},
                   {"size", list.size()},
                   {"annotations", json::object{{"org.opencontainers.image.ref.name", "latest"}}}};
  write("all/index.json",
        json::serialize(json::object{{"schemaVersion", 2}, {"manifests", json::array{top}}}));
  write("all/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  registry.push(directory_ / "all", "all", true);
  EXPECT_EQ(pull(registry.host() + "/all").id, ids["linux/amd64"]);
  EXPECT_THAT(pull(registry.host() + "/all", "linux/s390x").error,
              HasSubstr("no image for linux/s390x, only for"));
  // What the fixture says about itself is amd64 always, so others are recognised and refused.
  EXPECT_THAT(pull(registry.host() + "/all", "linux/arm/v7").error,
              HasSubstr("is for linux/amd64"));
}

TEST_F(PullTest, SeveralRegistriesAreSearched) {
  Registry first(directory_ / "first"), second(directory_ / "second");
  layout("app", {1000});
  second.push(directory_ / "app", "app:7");
  write("registries.conf", fmt::format("unqualified-search-registries = [\"{}\", \"{}\"]\n",
                                       first.host(), second.host()));
  ImageResult result = pull("app:7");
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(result.reference, second.host() + "/app:7");
  EXPECT_EQ(store_.find("app:7")->id, result.id);
  result = pull("app:8");
  EXPECT_THAT(result.error, HasSubstr(first.host() + "/app: "));
  EXPECT_THAT(result.error, HasSubstr(second.host() + "/app: "));
}

// A layer that registries do not have: skopeo leaves it out, too.
TEST_F(PullTest, WhatMayNotBeDistributedIsSkipped) {
  layout("app", {1000, 2000});
  std::string blobs = directory_ / "app/blobs/sha256/", index_file = directory_ / "app/index.json";
  json::value index = json::parse(read_file(index_file));
  json::object& entry = index.at("manifests").as_array().at(0).as_object();
  std::string digest(entry.at("digest").as_string());
  json::value manifest = json::parse(read_file(blobs + digest.substr(7)));
  json::object& layer = manifest.at("layers").as_array().at(1).as_object();
  layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
  layer["urls"] = json::array{"https://registry.invalid/layer"};
  fs::remove(blobs + std::string(layer.at("digest").as_string()).substr(7));
  std::string text = json::serialize(manifest);
  write("app/blobs/sha256/" + sha256_hex(text), text);
  entry["digest"] = "sha256:" + sha256_hex(text);
  entry["size"] = text.size();
  write("app/index.json", json::serialize(index));

  Registry registry(directory_ / "registry");
  registry.push(directory_ / "app", "app");
  struct Skipped final : PullListener {
    int count = 0;
    void layer(const std::string&, LayerState state, int64_t, int64_t) override {
      if (state == LayerState::skipped) ++count;
    }
  } skipped;
  ImageResult result = store_.pull({{registry.host() + "/app", ""}}, skipped).at(0);
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(skipped.count, 1);
  EXPECT_EQ(store_.find(registry.host() + "/app")->layers.size(), 1U);
  store_.load(open_file(directory_ / "app", O_RDONLY | O_DIRECTORY), "app", "loaded:1", &skipped);
  EXPECT_EQ(skipped.count, 2);
  EXPECT_EQ(content(*store_.find("loaded:1"), "last"), "app");
  try {
    store_.save({"loaded:1"}, ArchiveFormat::docker_archive,
                open_file(directory_ / "out", O_WRONLY | O_CREAT, 0600));
    ADD_FAILURE() << "saved what is not whole";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("1 of 2 layers of loaded:1 may not be distributed"));
  }
}

TEST_F(PullTest, AMirrorComesFirstAndTheRegistryAfterIt) {
  Registry mirror(directory_ / "mirror");
  layout("app", {1000});
  mirror.push(directory_ / "app", "cache/team/app");
  write("registries.conf",
        fmt::format("[[registry]]\nprefix = \"registry.invalid\"\nlocation = \"registry.invalid\"\n"
                    "[[registry.mirror]]\nlocation = \"{}/cache\"\n",
                    mirror.host()));
  ImageResult result = pull("registry.invalid/team/app");
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(result.reference, "registry.invalid/team/app:latest");
}

TEST_F(PullTest, RefusalsSayWhatToDo) {
  RefusingServer server;
  std::string reference = fmt::format("127.0.0.1:{}/x", server.port());
  server.answer(403);
  EXPECT_THAT(pull(reference).error, HasSubstr("forbids x:latest (403)"));
  server.answer(429, "Retry-After: 100000\r\n");
  ImageResult result = pull(reference);
  EXPECT_THAT(result.error, HasSubstr("no more requests for now (429)"));
  EXPECT_THAT(result.hint, HasSubstr("100000 s"));
  server.answer(503);
  EXPECT_THAT(pull(reference).error, HasSubstr("status 503"));
  EXPECT_GT(server.requests(), 4);
  EXPECT_THAT(pull("127.0.0.1:1/x").error, HasSubstr("no connection to 127.0.0.1:1"));
}

TEST_F(PullTest, WaitsAsLongAsTheRegistryAsks) {
  Registry registry(directory_ / "registry");
  RefusingServer server;
  server.answer(429, "Retry-After: 1\r\n");
  auto began = std::chrono::steady_clock::now();
  server.answer_once_then(404);
  EXPECT_THAT(pull(fmt::format("127.0.0.1:{}/x", server.port())).error, HasSubstr("(404)"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

}  // namespace
}  // namespace pcompose::engine
