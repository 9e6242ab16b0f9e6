// Pushing to real registries on loopback: what arrives is the image that was here.
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/fixture/cut_proxy.h"
#include "tests/images/pull_fixture.h"
#include "tests/images/refusing_server.h"

namespace pcompose::engine {
namespace {

using fixture::CutProxy;
using fixture::Registry;
using fixture::run_program;
using testing::HasSubstr;
using Outcome = ImageResult::Outcome;

class PushTest : public PullTest {
 protected:
  ImageResult push(const std::string& reference, const std::string& destination) {
    PullListener nobody;
    return store_.push({{reference, destination}}, nobody).at(0);
  }
  // What skopeo says that the registry has.
  json::value manifest(const std::string& reference) {
    return json::parse(
        run_program({"skopeo", "inspect", "--raw", "--tls-verify=false", "docker://" + reference}));
  }
  static std::string config_of(const json::value& manifest) {
    return std::string(manifest.at("config").at("digest").as_string());
  }
  // A third party fetches all of it and verifies each digest.
  void fetch(const std::string& reference) {
    fs::remove_all(directory_ / "fetched");
    run_program({"skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false",
                 "docker://" + reference, "dir:" + (directory_ / "fetched")});
  }
};

TEST_F(PushTest, ALoadedImageArrivesWithItsConfiguration) {
  Registry registry(directory_ / "registry");
  std::string id = layout("app", {300'000, 10, 9'000'000});
  store_.load(directory_ / "app", "app:1");
  std::string there = registry.host() + "/some/app:2";
  ImageResult result = push("app:1", there);
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(config_of(manifest(there)), "sha256:" + id);
  EXPECT_EQ(result.digest,
            "sha256:" + sha256_hex(run_program({"skopeo", "inspect", "--raw", "--tls-verify=false",
                                                "docker://" + there})));
  fetch(there);
  // Back again, into an empty store.
  store_.remove("app:1", {}, Force::no);
  EXPECT_EQ(pull(there).id, id);
  // Nothing is sent that is there.
  std::string log = read_file(directory_ / "registry/test/log");
  EXPECT_EQ(push(there, registry.host() + "/some/app:3").outcome, Outcome::pulled);
  EXPECT_EQ(read_file(directory_ / "registry/test/log").substr(log.size()).find("PATCH"),
            std::string::npos);
}

TEST_F(PushTest, BlobsAreMountedAndTheManifestStays) {
  Registry registry(directory_ / "registry");
  layout("app", {300'000, 700'000});
  registry.push(directory_ / "app", "first/app");
  std::string from = registry.host() + "/first/app:latest", to = registry.host() + "/second/app:1";
  ASSERT_EQ(pull(from).outcome, Outcome::pulled);
  size_t before = read_file(directory_ / "registry/test/log").size();
  ImageResult result = push(from, to);
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(manifest(to), manifest(from));
  EXPECT_EQ(result.digest, store_.manifest(from)) << "byte for byte what was pulled";
  std::string log = read_file(directory_ / "registry/test/log").substr(before);
  EXPECT_THAT(log, HasSubstr("mount=sha256"));
  fetch(to);
}

TEST_F(PushTest, ToAnotherRegistryLayersAreMadeAgain) {
  Registry first(directory_ / "first"), second(directory_ / "second");
  std::string id = layout("app", {300'000, 700'000});
  first.push(directory_ / "app", "app");
  ASSERT_EQ(pull(first.host() + "/app").outcome, Outcome::pulled);
  std::string to = second.host() + "/app:1";
  ImageResult result = push(first.host() + "/app", to);
  ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_EQ(config_of(manifest(to)), "sha256:" + id);
  fetch(to);
  // Who knows the image there finds the blobs at once.
  ASSERT_EQ(push(first.host() + "/app", to).outcome, Outcome::pulled);
}

TEST_F(PushTest, SchemaTwoStaysSchemaTwo) {
  Registry registry(directory_ / "registry"), other(directory_ / "other");
  layout("app", {1000, 2000});
  run_program({"skopeo", "--insecure-policy", "copy", "-q", "--format", "v2s2",
               "--dest-tls-verify=false", "oci:" + (directory_ / "app"),
               "docker://" + registry.host() + "/app"});
  ASSERT_EQ(pull(registry.host() + "/app").outcome, Outcome::pulled);
  std::string to = other.host() + "/app:1";
  ASSERT_EQ(push(registry.host() + "/app", to).outcome, Outcome::pulled);
  EXPECT_EQ(manifest(to).at("mediaType"), "application/vnd.docker.distribution.manifest.v2+json");
  fetch(to);
}

TEST_F(PushTest, WithALogin) {
  for (const char* kind : {"basic", "token"}) {
    Registry registry(directory_ / kind, {"--auth", kind});
    std::string id = layout(std::string("app") + kind, {100'000});
    store_.load(directory_ / (std::string("app") + kind), "app:1");
    std::string there = registry.host() + "/team/app:1";
    write("auth.json", "{}");
    ImageResult refused = push("app:1", there);
    EXPECT_EQ(refused.outcome, Outcome::failed);
    EXPECT_THAT(refused.hint, HasSubstr("pcompose login")) << kind;
    json::object auth{{"auth", "dGVzdGVyOnNlY3JldA=="}};  // tester:secret
    write("auth.json",
          json::serialize(json::object{{"auths", json::object{{registry.host(), auth}}}}));
    ImageResult result = push("app:1", there);
    ASSERT_EQ(result.outcome, Outcome::pulled) << kind << result.error;
    EXPECT_EQ(pull(there).id, id);
  }
}

TEST_F(PushTest, ACutConnectionStillEndsInARightImage) {
  Registry registry(directory_ / "registry");
  std::string id = layout("app", {9'000'000, 3'000'000});
  store_.load(directory_ / "app", "app:1");
  for (unsigned seed = 1; seed <= 4; ++seed) {
    CutProxy proxy(registry.port(), 0, 3'000'000, 4, seed);
    std::string there = fmt::format("127.0.0.1:{}/app{}:1", proxy.port(), seed);
    ImageResult result = push("app:1", there);
    ASSERT_EQ(result.outcome, Outcome::pulled) << result.error;
    std::string direct = fmt::format("{}/app{}:1", registry.host(), seed);
    EXPECT_EQ(config_of(manifest(direct)), "sha256:" + id);
    fetch(direct);
  }
}

TEST_F(PushTest, RefusalsSayWhatToDo) {
  layout("app", {1000});
  store_.load(directory_ / "app", "app:1");
  RefusingServer server;
  std::string there = fmt::format("127.0.0.1:{}/x:1", server.port());
  server.answer(403);
  EXPECT_THAT(push("app:1", there).error, HasSubstr("(403)"));
  EXPECT_THAT(push("app:1", "127.0.0.1:1/x:1").error, HasSubstr("no connection"));
  EXPECT_THAT([&] { push("nothing", there); },
              testing::ThrowsMessage<Error>(HasSubstr("no such image")));
}

TEST_F(PushTest, AChangedLayerIsNotPushed) {
  Registry registry(directory_ / "registry");
  layout("app", {5000});
  store_.load(directory_ / "app", "app:1");
  auto image = store_.find("app:1");
  replace_file(store_.links_directory() + "/" + image->layers.at(0) + "/last", "APP");
  ImageResult result = push("app:1", registry.host() + "/app:1");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_THAT(result.error, HasSubstr("is not what it was"));
}

TEST_F(PushTest, DigestsAreAskedForAndNothingFetched) {
  Registry registry(directory_ / "registry");
  layout("app", {1000});
  registry.push(directory_ / "app", "app");
  auto results = store_.digests({{registry.host() + "/app", ""}, {registry.host() + "/no", ""}});
  EXPECT_EQ(results.at(0).digest,
            "sha256:" + sha256_hex(run_program({"skopeo", "inspect", "--raw", "--tls-verify=false",
                                                "docker://" + registry.host() + "/app"})));
  EXPECT_EQ(results.at(1).outcome, Outcome::failed);
  EXPECT_TRUE(store_.tags().empty());
  EXPECT_THAT(layer_directories(), testing::IsEmpty());
}

}  // namespace
}  // namespace pcompose::engine
