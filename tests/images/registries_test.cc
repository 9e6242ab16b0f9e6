#include "engine/images/registries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace pcompose::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// "reference <- host/path, host/path" for each candidate.
std::vector<std::string> places(const std::string& config, const std::string& written) {
  Registries registries;
  registries.add(config, "test.conf");
  std::vector<std::string> out;
  for (const ImageCandidate& c : registries.candidates(written)) {
    std::string line = c.reference + " <-";
    for (const ImageSource& s : c.sources)
      line += " " + s.host + "/" + s.path + (s.tls == Tls::insecure ? "!" : "");
    out.push_back(line);
  }
  return out;
}

std::string failure(const std::string& config, const std::string& written = "nginx") {
  try {
    places(config, written);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Registries, NoneMeansDockerHub) {
  EXPECT_THAT(places("", "nginx"), ElementsAre("docker.io/library/nginx:latest <- "
                                               "registry-1.docker.io/library/nginx"));
  EXPECT_THAT(places("", "quay.io/x/y:1"), ElementsAre("quay.io/x/y:1 <- quay.io/x/y"));
  EXPECT_THAT(places("", "localhost/x"), ElementsAre("localhost/x:latest <- localhost/x"));
}

TEST(Registries, SearchAndAliases) {
  std::string config =
      "unqualified-search-registries = [\"quay.io\", \"docker.io\"]\n"
      "[aliases]\n\"fedora\" = \"registry.fedoraproject.org/fedora\"\n";
  EXPECT_THAT(places(config, "x:2"),
              ElementsAre("quay.io/x:2 <- quay.io/x",
                          "docker.io/library/x:2 <- registry-1.docker.io/library/x"));
  EXPECT_THAT(places(config, "fedora:40"), ElementsAre("registry.fedoraproject.org/fedora:40 <- "
                                                       "registry.fedoraproject.org/fedora"));
  EXPECT_THAT(places(config, "docker.io/fedora"),
              ElementsAre("docker.io/library/fedora:latest <- "
                          "registry-1.docker.io/library/fedora"));
}

TEST(Registries, MirrorsAndLocations) {
  std::string config = R"(
[[registry]]
prefix = "example.com/team"
location = "internal:5000/t"
insecure = true
[[registry.mirror]]
location = "mirror:1/m"
[[registry.mirror]]
location = "digests:2"
pull-from-mirror = "digest-only"
[[registry]]
prefix = "*.corp.test"
location = "hub.corp.test"
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror:1"
insecure = true
)";
  EXPECT_THAT(places(config, "example.com/team/app"),
              ElementsAre("example.com/team/app:latest <- mirror:1/m/app internal:5000/t/app!"));
  std::string digest = "@sha256:" + std::string(64, 'a');
  EXPECT_THAT(places(config, "example.com/team/app" + digest),
              ElementsAre("example.com/team/app" + digest +
                          " <- mirror:1/m/app digests:2/app internal:5000/t/app!"));
  EXPECT_THAT(places(config, "example.com/teams/app"),
              ElementsAre("example.com/teams/app:latest <- example.com/teams/app"));
  EXPECT_THAT(places(config, "a.corp.test/x"),
              ElementsAre("a.corp.test/x:latest <- hub.corp.test/x"));
  EXPECT_THAT(places(config, "nginx"),
              ElementsAre("docker.io/library/nginx:latest <- mirror:1/library/nginx! "
                          "registry-1.docker.io/library/nginx"));
}

TEST(Registries, ALaterFileWins) {
  Registries registries;
  registries.add("unqualified-search-registries=['a.io']\n[[registry]]\nlocation='x.io'\n", "1");
  registries.add("[[registry]]\nlocation='x.io'\nblocked=true\n", "2");
  EXPECT_EQ(registries.search, std::vector<std::string>{"a.io"});
  EXPECT_THROW(static_cast<void>(registries.candidates("x.io/app")), Error);
}

TEST(Registries, WhatIsWrong) {
  EXPECT_THAT(failure("[[registry]]\nlocation='docker.io'\nblocked=true"),
              HasSubstr("registries.conf blocks docker.io"));
  EXPECT_THAT(failure("x = "), HasSubstr("test.conf:1:"));
  EXPECT_THAT(failure("[$x]\n"), HasSubstr("test.conf"));
  EXPECT_THAT(failure("[[registry]]\nblocked = 3\nlocation='x'"), HasSubstr("test.conf:2:11"));
  EXPECT_THAT(failure("[[registry]]\n"), HasSubstr("needs a location"));
  EXPECT_THAT(failure("", "Upper"), HasSubstr("Upper"));
}

}  // namespace
}  // namespace pcompose::engine
