// A store, and a home of its own for what configures pulling.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "base/sha256.h"
#include "engine/images.h"
#include "tests/fixture/image_builder.h"
#include "tests/fixture/ordinary_user.h"
#include "tests/fixture/registry.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {

namespace fs = std::filesystem;

class PullTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { fixture::become_user(); }
  PullTest()
      : roots_{directory_ / "state", directory_ / "run", "test", fixture::is_rootless()},
        database_((fs::create_directory(roots_.state), fs::create_directory(roots_.run),
                   roots_.database())),
        store_(database_, roots_) {
    ::setenv("HOME", (directory_ / "home").c_str(), 1);
    ::setenv("CONTAINERS_REGISTRIES_CONF", (directory_ / "registries.conf").c_str(), 1);
    ::setenv("REGISTRY_AUTH_FILE", (directory_ / "auth.json").c_str(), 1);
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"})
      ::unsetenv(name);
  }

  // Some files, and `noise` bytes that do not compress, one layer each number.
  std::string layout(const std::string& name, const std::vector<size_t>& noise,
                     const std::string& config = "{}") {
    fixture::ImageParts parts;
    parts.config = config;
    std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(name)));
    for (size_t i = 0; i < noise.size(); ++i) {
      std::string bytes(noise[i], '\0');
      for (char& c : bytes) c = static_cast<char>(random());
      parts.layers.push_back(
          fixture::make_tar({{.path = name + std::to_string(i), .content = bytes},
                             {.path = "last", .content = name}}));
    }
    return fixture::write_layout(directory_ / name, parts);
  }
  // Digest and size of each blob of a layout.
  std::map<std::string, int64_t> blobs(const std::string& name) {
    std::map<std::string, int64_t> out;
    for (const auto& entry : fs::directory_iterator(directory_ / (name + "/blobs/sha256")))
      out["sha256:" + entry.path().filename().string()] = static_cast<int64_t>(entry.file_size());
    return out;
  }
  ImageResult pull(const std::string& reference, const std::string& platform = "") {
    PullListener nobody;
    return store_.pull({{reference, platform}}, nobody).at(0);
  }
  std::string content(const Image& image, const std::string& file) {
    return read_file(store_.links_directory() + "/" + image.layers.at(0) + "/" + file);
  }
  std::vector<std::string> layer_directories() {
    std::vector<std::string> out;
    std::error_code none_yet;
    for (const auto& entry : fs::directory_iterator(roots_.state + "/layers", none_yet))
      out.push_back(entry.path().filename());
    return out;
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories(fs::path(directory_ / name).parent_path());
    replace_file(directory_ / name, text);
  }

  fixture::TemporaryDirectory directory_;
  Roots roots_;
  Database database_;
  ImageStore store_;
};

}  // namespace pcompose::engine
