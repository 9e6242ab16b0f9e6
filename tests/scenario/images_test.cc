// Images that are hard to run.
#include <filesystem>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "tests/fixture/busybox_image.h"
#include "tests/fixture/image_builder.h"
#include "tests/scenario/stack.h"

namespace pcompose::test {
namespace {

class Images : public StackTest {};

TEST_F(Images, OneOfAHundredAndTwentySevenLayersStarts) {
  fixture::ImageParts parts;
  parts.config = R"({"Cmd":["sh"],"Env":["PATH=/bin"]})";
  parts.layers = {fixture::busybox_layer()};
  for (int i = 1; i < 127; ++i) {
    std::vector<fixture::TarFile> files = {
        {.path = "layers/" + std::to_string(i), .content = std::to_string(i)},
        {.path = "top", .content = std::to_string(i)}};
    // Every tenth takes the file of the layer before it away.
    if (i % 10 == 0) files.push_back({.path = "layers/.wh." + std::to_string(i - 1)});
    parts.layers.push_back(fixture::make_tar(files));
  }
  fixture::write_layout(file("many"), parts);
  expect(0, {"image", "load", "--name", "many:1", file("many")});
  compose(
      "services:\n  w:\n    image: many:1\n    command: sh -c 'ls /layers | wc -l; cat /top; echo; "
      "echo x > /top; cat /top'\n");
  EXPECT_EQ(expect(0, {"up", "--no-log-prefix"}).code, 0);
  EXPECT_EQ(lines("w"), (std::vector<std::string>{"114", "126", "x"}));
  expect(0, {"down", "-t", "0"});
  expect(0, {"image", "rm", "many:1"});
  expect(0, {"system", "check"});
}

TEST_F(Images, CheckIsCleanWhileAndAfterAProjectRuns) {
  compose(
      "services:\n  w:\n    image: busybox\n    command: sleep 60\n    volumes: [data:/data, "
      "/anon]\n"
      "volumes:\n  data:\n");
  expect(0, {"up", "-d"});
  expect(0, {"system", "check"});
  Result usage = expect(0, {"system", "df", "-v"});
  EXPECT_NE(usage.out.find("_data"), std::string::npos) << usage.out;
  EXPECT_NE(usage.out.find("running"), std::string::npos) << usage.out;
  // Nothing that is in use goes.
  expect(0, {"system", "prune", "-a", "--volumes", "-f"});
  expect(0, {"exec", "-T", "w", "true"});
  expect(0, {"system", "check"});
  expect(0, {"down", "-v", "-t", "0"});
  expect(0, {"system", "check"});
}

TEST_F(Images, DownTakesAlongWhatItIsAskedFor) {
  fixture::ImageParts parts;
  parts.config = R"({"Cmd":["sleep","1000"],"Env":["PATH=/bin"],"StopSignal":"SIGKILL"})";
  parts.layers = {fixture::busybox_layer()};
  fixture::write_layout(file("own"), parts);
  expect(0, {"image", "load", "--name", "own:1", file("own")});
  auto there = [&] { return expect(0, {"image", "ls"}).out.find("own") != std::string::npos; };
  compose("services:\n  w: {image: 'own:1'}\n");
  expect(0, {"up", "-d"});
  expect(0, {"down", "--rmi", "local"});  // it has a name
  EXPECT_TRUE(there());
  expect(1, {"down", "--rmi", "some"});
  expect(0, {"up", "-d"});
  expect(0, {"down", "--rmi", "all"});
  EXPECT_FALSE(there());
  expect(0, {"system", "check"});
}

}  // namespace
}  // namespace pcompose::test
