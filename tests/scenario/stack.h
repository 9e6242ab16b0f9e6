// A compose project in a host of its own: the test process lives in fresh network and mount
// namespaces with an empty /run, and drives the built programs.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "tests/eventually.h"
#include "tests/scenario/census.h"

namespace pcompose::test {

struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

class StackTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  // Takes the project down and holds the census against the one before.
  void TearDown() override;

  // Writes compose.yaml of the project, replacing @IMAGE@ by the busybox image.
  void compose(const std::string& yaml);
  void write(const std::string& name, const std::string& text);
  // Runs pcompose in the project's directory; killed after a minute.
  Result pcompose(std::vector<std::string> args, const std::string& input = "");
  // Starts it and does not wait. Its output goes to files `name`.out and `name`.err in the project.
  Child start_pcompose(std::vector<std::string> args, const std::string& name);
  // Fails the test with all output where the code is another.
  Result expect(int code, std::vector<std::string> args, const std::string& input = "");

  // `ps -a --format json`, by service.
  std::map<std::string, json::object> ps();
  std::string state(const std::string& service);
  std::string health(const std::string& service);
  [[nodiscard]] pid_t supervisor() const { return process("pcompose-supervisor"); }
  [[nodiscard]] pid_t keeper() const { return process("pcompose-keeper"); }
  [[nodiscard]] std::string file(const std::string& name) const { return directory_ + "/" + name; }
  [[nodiscard]] const std::string& root() const { return root_; }
  // The lines that a service printed, without prefix.
  std::vector<std::string> lines(const std::string& service);

  // The pid of a program that belongs to this root; 0 where none runs.
  static pid_t process(const std::string& name, const std::string& root);
  // The network namespace of a service that runs, open.
  Fd network_of(const std::string& service);
  // Makes a file or directory the ordinary user's where the tests run as one.
  static void give_to_user(const std::string& path);

  std::string directory_;

 private:
  [[nodiscard]] pid_t process(const std::string& name) const { return process(name, root_); }

  static std::string root_;
  Census before_;
};

}  // namespace pcompose::test
