// A bundle of busybox and the program pcompose-runtime, driven from outside.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/process.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine::runtime {

struct Outcome {
  int code = 0;
  std::string output;  // stdout and stderr
};

// What must be the same after a test as it was before.
struct Leftovers {
  size_t mounts = 0, groups = 0, descriptors = 0, states = 0;
  friend bool operator==(const Leftovers&, const Leftovers&) = default;
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class BundleTest : public testing::Test {
 protected:
  // A mount namespace of its own: what others mount meanwhile is not counted.
  static void SetUpTestSuite();
  void SetUp() override;
  void TearDown() override;

  // Writes `config` into the bundle.
  void write_config();
  // Runs the program with these words after --root; the bundle is the working directory.
  Outcome command(std::vector<std::string> words);
  // `run` of one shell line in a container of the current description.
  Outcome run(const std::string& line);
  void set_args(const std::vector<std::string>& args);
  void remove_mounts(const std::string& prefix);  // whose destination begins so
  json::object state(const std::string& id);
  // Waits until the state says so; fails after ten seconds.
  void await_status(const std::string& id, const std::string& status);
  json::object& process() { return config.at("process").as_object(); }
  json::object& linux_part() { return config.at("linux").as_object(); }
  json::array& mounts() { return config.at("mounts").as_array(); }
  [[nodiscard]] Leftovers leftovers() const;
  // From here on the census leaves out groups of other names: those of tests beside this one.
  void count_groups_of(const std::string& id);

  fixture::TemporaryDirectory directory{"/tmp"};
  json::object config;

 private:
  Leftovers before_;
  std::string counted_;  // "" is all
};

}  // namespace pcompose::engine::runtime
