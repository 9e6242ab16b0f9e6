// What holds for every file: over the fuzzer's seeds.
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "compose/config_output.h"
#include "compose/json.h"
#include "tests/compose/fake_files.h"

namespace pcompose::compose {
namespace {

LoadOptions everything() {
  LoadOptions options = options_in("/p");
  options.profiles = {"*"};
  options.unsupported = Unsupported::warn;
  return options;
}

FakeFiles with(const std::string& text, const std::string& over = "services: {}\n") {
  return FakeFiles({{"/p/compose.yaml", text},
                    {"/p/compose.override.yaml", over},
                    {"/p/a.env", "FROM_FILE=1\n"},
                    {"/p/sub/other.yaml", "services: {base: {image: x, labels: {a: b}}}\n"}});
}

// Those that load; the others are there for the fuzzer.
const std::vector<std::string>& seeds() {
  static const std::vector<std::string> good = [] {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(SEEDS_DIRECTORY)) {
      std::ifstream in(entry.path());
      std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
      try {
        load(everything(), with(text));
        out.push_back(std::move(text));
      } catch (const ComposeError&) {
        EXPECT_EQ(text.find("name: every"), std::string::npos) << "it has to load";
      }
    }
    return out;
  }();
  return good;
}

std::string config(const FakeFiles& files, ConfigFormat format = ConfigFormat::yaml) {
  std::ostringstream out;
  std::vector<Diagnostic> warnings;
  run_config(everything(), {.format = format}, files, out, warnings);
  return out.str();
}

TEST(Property, ConfigOfConfigIsItself) {
  for (const std::string& seed : seeds()) {
    std::string once = config(with(seed));
    EXPECT_EQ(config(with(once)), once);
  }
}

TEST(Property, MergingWithAnEmptyFileChangesNothing) {
  for (const std::string& seed : seeds()) {
    std::string alone = config(with(seed, ""));
    EXPECT_EQ(config(with(seed)), alone);
    EXPECT_EQ(config(with(seed, "networks: {}\nvolumes: {}\n")), alone);
  }
}

TEST(Property, LoadIsDeterministic) {
  for (const std::string& seed : seeds()) {
    FakeFiles files = with(seed);
    json::value first = to_json(load(everything(), files));
    for (int i = 0; i < 100; ++i) ASSERT_EQ(to_json(load(everything(), files)), first);
  }
}

TEST(Property, TheProjectSurvivesJson) {
  for (const std::string& seed : seeds()) {
    json::value once = to_json(load(everything(), with(seed)));
    EXPECT_EQ(to_json(project_from_json(once)), once);
  }
}

}  // namespace
}  // namespace pcompose::compose
