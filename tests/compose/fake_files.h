// Files in a map.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "compose/load.h"

namespace pcompose::compose {

class FakeFiles final : public FileReader {
 public:
  FakeFiles() = default;
  explicit FakeFiles(std::map<std::string, std::string> files) : files_(std::move(files)) {}

  [[nodiscard]] std::optional<std::string> read(const std::string& path) const override {
    auto it = files_.find(path);
    return it == files_.end() ? std::nullopt : std::optional(it->second);
  }
  [[nodiscard]] bool exists(const std::string& path) const override {
    return files_.contains(path);
  }
  [[nodiscard]] bool is_directory(const std::string& path) const override {
    auto it = files_.lower_bound(path + "/");
    return it != files_.end() && it->first.starts_with(path + "/");
  }
  [[nodiscard]] std::string standard_input() const override { return files_.at("-"); }

 private:
  std::map<std::string, std::string> files_;
};

inline LoadOptions options_in(const std::string& directory) {
  LoadOptions options;
  options.working_directory = directory;
  options.environment = {{"HOME", "/home/u"}};
  return options;
}

// Loads one file, /p/compose.yaml.
inline Project load_text(const std::string& text,
                         std::map<std::string, std::string> environment = {}) {
  LoadOptions options = options_in("/p");
  options.environment.merge(environment);
  return load(options, FakeFiles({{"/p/compose.yaml", text}}));
}

// One service called `a` with an image; `attributes` are lines indented by four blanks.
inline Service load_service(const std::string& attributes) {
  return load_text("services:\n  a:\n    image: x\n" + attributes).services.at("a");
}

// The text of the ComposeError (or Error) that loading throws, "" where it throws none.
inline std::string load_error(const std::string& text,
                              std::map<std::string, std::string> environment = {}) {
  try {
    load_text(text, std::move(environment));
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace pcompose::compose
