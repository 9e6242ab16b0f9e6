// Whole programs that pull at once, or are killed while they do.
#include <csignal>
#include <fcntl.h>
#include <thread>
#include <unistd.h>

#include "base/fd.h"
#include "base/process.h"
#include "tests/images/pull_fixture.h"

namespace pcompose::engine {
namespace {

using fixture::Registry;

class Together : public PullTest {
 protected:
  // `pcompose pull` of a compose file, in a session of its own.
  Child start() {
    std::vector<std::string> environment = current_environment();
    std::erase_if(environment,
                  [](const std::string& v) { return v.starts_with("PCOMPOSE_ROOT="); });
    environment.push_back("PCOMPOSE_ROOT=" + roots_.state);
    Fd nothing = open_file("/dev/null", O_RDWR);
    Fd log = open_file(directory_ / "log", O_WRONLY | O_CREAT | O_APPEND, 0600);
    return spawn({.argv = {own_program("pcompose"), "-f", directory_ / "compose.yaml", "pull"},
                  .environment = environment,
                  .fds = {{nothing.get(), 0}, {log.get(), 1}, {log.get(), 2}},
                  .session = Session::own,
                  .directory = ""});
  }
  std::string log() { return read_file(directory_ / "log"); }

  // `count` images with a layer in common; a compose file with a service for each.
  void publish(const Registry& registry, int count, size_t noise) {
    std::string file = "services:\n";
    for (int i = 0; i < count; ++i) {
      std::string name = fmt::format("app{}", i);
      layout(name, {noise, 1000 + noise / 3});
      registry.push(directory_ / name, name);
      file += fmt::format("  {0}:\n    image: {1}/{0}\n", name, registry.host());
    }
    write("compose.yaml", file);
  }
};

// Digests of what the registry has: a push may compress anew.
std::vector<std::string> published_blobs(const Registry& registry, int count) {
  std::vector<std::string> out;
  for (int i = 0; i < count; ++i) {
    std::string text = fixture::run_program({"skopeo", "inspect", "--raw", "--tls-verify=false",
                                             fmt::format("docker://{}/app{}", registry.host(), i)});
    json::value manifest = json::parse(text);
    out.emplace_back(manifest.at("config").at("digest").as_string());
    for (const json::value& layer : manifest.at("layers").as_array())
      out.emplace_back(layer.at("digest").as_string());
  }
  return out;
}

TEST_F(Together, TwoProcessesFetchEachBlobOnce) {
  Registry registry(directory_ / "registry");
  publish(registry, 5, 3'000'000);
  auto blobs = published_blobs(registry, 5);
  std::map<std::string, int> before;
  for (const std::string& digest : blobs) before[digest] = registry.blob_gets(digest);
  Child first = start(), second = start();
  EXPECT_EQ(first.wait().code(), 0) << log();
  EXPECT_EQ(second.wait().code(), 0) << log();
  // The registry writes its log after the answer: a client may be gone before its line is there.
  auto gets = [&](const std::string& digest) {
    return registry.blob_gets(digest) - before[digest];
  };
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::ranges::any_of(blobs, [&](const auto& digest) { return gets(digest) == 0; }) &&
         std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (const std::string& digest : blobs) EXPECT_EQ(gets(digest), 1) << digest;
  EXPECT_EQ(store_.tags().size(), 5U);
}

TEST_F(Together, KilledAtAnyMomentTheNextPullSucceeds) {
  Registry registry(directory_ / "registry");
  publish(registry, 2, 20'000'000);
  std::mt19937 random(11);
  auto forget = [&] {
    for (const ImageTag& tag : store_.tags()) store_.remove(tag.reference, {}, Force::no);
  };
  // The moments lie within what a whole pull takes on this machine, however fast it is.
  auto began = std::chrono::steady_clock::now();
  ASSERT_EQ(start().wait().code(), 0) << log();
  std::chrono::microseconds whole = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  forget();
  int killed = 0;
  // PCOMPOSE_KILLS=200 for the long check.
  const char* many = std::getenv("PCOMPOSE_KILLS");
  int rounds = many == nullptr ? 20 : std::atoi(many);
  for (int i = 0; i < rounds; ++i) {
    Child child = start();
    std::this_thread::sleep_for(whole * static_cast<int>(random() % 100) / 100);
    // Everybody in its session: the client and the worker.
    ::kill(-child.pid(), SIGKILL);
    if (child.wait().signal()) ++killed;
    for (const std::string& layer : layer_directories()) {
      if (layer.starts_with(".tmp-")) continue;
      EXPECT_TRUE(fs::exists(roots_.state + "/layers/" + layer + "/layer.json")) << layer;
    }
    if (store_.tags().size() == 2) forget();  // or there would be nothing to do
  }
  EXPECT_GT(killed, 5);
  Child last = start();
  EXPECT_EQ(last.wait().code(), 0) << log();
  ASSERT_EQ(store_.tags().size(), 2U);
  for (const ImageTag& tag : store_.tags()) {
    auto image = store_.find(tag.reference);
    ASSERT_TRUE(image);
    EXPECT_EQ(image->layers.size(), 2U);
    EXPECT_TRUE(content(*image, "last").starts_with("app"));
  }
  for (const std::string& layer : layer_directories()) EXPECT_FALSE(layer.starts_with(".tmp-"));
  for (const StoreFault& fault : store_.check()) ADD_FAILURE() << fault.what;
}

TEST_F(Together, WhatIsHereNeedsNoNetwork) {
  {
    Registry registry(directory_ / "registry");
    publish(registry, 1, 1000);
    ASSERT_EQ(start().wait().code(), 0) << log();
  }
  std::string file = read_file(directory_ / "compose.yaml");
  std::string tagged = file.substr(0, file.size() - 1) + ":latest\n    pull_policy: ";
  write("compose.yaml", tagged + "never\n");
  EXPECT_EQ(start().wait().code(), 0) << log();
  write("compose.yaml", tagged + "always\n");
  EXPECT_EQ(start().wait().code(), 1);
}

}  // namespace
}  // namespace pcompose::engine
