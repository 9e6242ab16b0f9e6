// Registries that accept a connection and then keep us waiting.
#include "base/clock.h"
#include "tests/fixture/cut_proxy.h"
#include "tests/images/pull_fixture.h"

namespace pcompose::engine {
namespace {

using fixture::CutProxy;
using fixture::Registry;
using testing::HasSubstr;
using Then = CutProxy::Then;
using Outcome = ImageResult::Outcome;

class Silence : public PullTest {
 protected:
  Silence() {
    ::setenv("PCOMPOSE_REGISTRY_TIMEOUT", "1", 1);
    layout("app", {6'000'000});
  }
  ~Silence() override { ::unsetenv("PCOMPOSE_REGISTRY_TIMEOUT"); }

  // In seconds, and an image that was not pulled; what it leaves is nothing.
  double refused(const std::string& reference, const std::string& why) {
    auto began = std::chrono::steady_clock::now();
    ImageResult result = pull(reference);
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_THAT(result.error, HasSubstr(why));
    EXPECT_THAT(result.hint, HasSubstr("PCOMPOSE_REGISTRY_TIMEOUT=SECONDS"));
    EXPECT_THAT(layer_directories(), testing::IsEmpty());
    return took.count();
  }
  static std::string at(const CutProxy& proxy) {
    return fmt::format("127.0.0.1:{}/app", proxy.port());
  }
};

constexpr int kEvery = 1'000'000;  // connections

TEST_F(Silence, FromTheFirstByte) {
  Registry registry(directory_ / "registry");
  CutProxy proxy(registry.port(), 0, 0, kEvery, 1, Then::silence);
  EXPECT_LT(refused(at(proxy), "does not answer"), 15);
}

TEST_F(Silence, WithinABlob) {
  Registry registry(directory_ / "registry");
  registry.push(directory_ / "app", "app");
  CutProxy proxy(registry.port(), 100'000, 100'000, kEvery, 1, Then::silence);
  EXPECT_LT(refused(at(proxy), "stopped sending"), 20);
}

TEST_F(Silence, ATrickleIsNoAnswer) {
  Registry registry(directory_ / "registry");
  registry.push(directory_ / "app", "app");
  CutProxy proxy(registry.port(), 100'000, 100'000, kEvery, 1, Then::trickle);
  EXPECT_LT(refused(at(proxy), "stopped sending"), 20);
}

TEST_F(Silence, AStallInBetweenIsOvercome) {
  Registry registry(directory_ / "registry");
  registry.push(directory_ / "app", "app");
  CutProxy proxy(registry.port(), 1'500'000, 1'600'000, 3, 1, Then::silence);
  ImageResult result = pull(at(proxy));
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
  EXPECT_GT(proxy.cuts(), 1);
}

TEST_F(Silence, ASilentMirrorIsPassedBy) {
  Registry registry(directory_ / "registry");
  registry.push(directory_ / "app", "app");
  CutProxy mirror(registry.port(), 0, 0, kEvery, 1, Then::silence);
  write("registries.conf", fmt::format("[[registry]]\nlocation = \"{}\"\n"
                                       "[[registry.mirror]]\nlocation = \"127.0.0.1:{}\"\n",
                                       registry.host(), mirror.port()));
  ImageResult result = pull(registry.host() + "/app");
  EXPECT_EQ(result.outcome, Outcome::pulled) << result.error;
}

TEST_F(Silence, ATimeThatIsNoneIsSaid) {
  for (const char* wrong : {"0", "-1", "soon", "99999999", "1s"}) {
    ::setenv("PCOMPOSE_REGISTRY_TIMEOUT", wrong, 1);
    try {
      EXPECT_EQ(pull("127.0.0.1:1/x").outcome, Outcome::failed);
      ADD_FAILURE() << wrong;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("PCOMPOSE_REGISTRY_TIMEOUT is"));
      EXPECT_THAT(e.hint(), HasSubstr("number of seconds"));
    }
  }
}

}  // namespace
}  // namespace pcompose::engine
