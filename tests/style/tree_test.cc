// The rules on this tree.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/style/rules.h"

namespace pcompose::style {
namespace {

namespace fs = std::filesystem;

constexpr std::array kRooms = {"base", "cli", "compose", "engine", "netns", "scheduler", "volumes"};

std::string content(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<SourceFile> sources() {
  std::vector<SourceFile> files;
  std::vector<std::string> roots(kRooms.begin(), kRooms.end());
  roots.insert(roots.end(), {"tests", "bench"});
  fs::path top = SOURCE_DIR;
  for (const std::string& root : roots) {
    for (const auto& entry : fs::recursive_directory_iterator(top / root)) {
      auto extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h" && extension != ".c") continue;
      files.push_back({fs::relative(entry.path(), top).string(), content(entry.path())});
    }
  }
  return files;
}

// "rule path reason", one a line; # begins a comment.
std::map<std::pair<std::string, std::string>, int> allowed() {
  std::map<std::pair<std::string, std::string>, int> out;
  std::istringstream in(content(fs::path(SOURCE_DIR) / "tests/style/allowed.txt"));
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string rule, path, reason;
    words >> rule >> path;
    std::getline(words, reason);
    EXPECT_GT(reason.size(), 10U) << "allowed.txt: a reason is missing: " << line;
    out[{rule, path}] = 0;
  }
  return out;
}

TEST(Tree, KeepsTheRules) {
  auto exceptions = allowed();
  for (const SourceFile& file : sources()) {
    for (const Violation& v : check_all(file)) {
      auto exception = exceptions.find({v.rule, v.path});
      if (exception != exceptions.end()) {
        ++exception->second;
      } else {
        ADD_FAILURE() << v.path << ":" << v.line << ": " << v.rule << ": " << v.what;
      }
    }
  }
  for (const auto& [key, uses] : exceptions)
    EXPECT_GT(uses, 0) << "allowed.txt: " << key.first << " " << key.second << " is needed no more";
}

TEST(Tree, EveryRoomHasAReadme) {
  for (const char* room : kRooms)
    EXPECT_TRUE(fs::exists(fs::path(SOURCE_DIR) / room / "README.md")) << room;
}

}  // namespace
}  // namespace pcompose::style
