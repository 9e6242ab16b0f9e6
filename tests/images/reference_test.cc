#include "engine/images/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/images.h"

namespace pcompose::engine {
namespace {

const std::string kHex(64, 'a');

struct Written {
  std::string written;
  std::string expected;
};

TEST(Reference, NormalisesAsDockerDoes) {
  for (const auto& [written, expected] : std::vector<Written>{
           {"nginx", "docker.io/library/nginx:latest"},
           {"nginx:1.25-alpine", "docker.io/library/nginx:1.25-alpine"},
           {"library/nginx", "docker.io/library/nginx:latest"},
           {"grafana/grafana", "docker.io/grafana/grafana:latest"},
           {"docker.io/nginx", "docker.io/library/nginx:latest"},
           {"index.docker.io/nginx", "docker.io/library/nginx:latest"},
           {"ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"},
           {"localhost/x", "localhost/x:latest"},
           {"localhost:5000/x:2", "localhost:5000/x:2"},
           {"host:5000/x", "host:5000/x:latest"},
           {"REGISTRY/x", "REGISTRY/x:latest"},
           {"127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:latest"},
           {"[::1]:5000/x", "[::1]:5000/x:latest"},
           {"f_g/a__b.c-d--e", "docker.io/f_g/a__b.c-d--e:latest"},
           {"web:_x", "docker.io/library/web:_x"},
           {"x@sha256:" + kHex, "docker.io/library/x@sha256:" + kHex},
           {"x:1@sha256:" + kHex, "docker.io/library/x:1@sha256:" + kHex},
           {std::string(63, 'a'), "docker.io/library/" + std::string(63, 'a') + ":latest"},
       }) {
    EXPECT_EQ(normalise_reference(written), expected) << written;
    EXPECT_EQ(normalise_reference(expected), expected);
  }
}

TEST(Reference, SaysWhatIsWrong) {
  for (const auto& [written, expected] : std::vector<Written>{
           {"", "empty"},
           {"Nginx", "must be lower case (nginx)"},
           {"docker.io/Grafana/x", "must be lower case"},
           {"nginx:", "is no tag"},
           {"nginx:-x", "is no tag"},
           {"nginx:" + std::string(129, 'a'), "is no tag"},
           {"nginx:a/b:c:d", "is no"},
           {"nginx@sha256:abc", "the digest must be"},
           {"nginx@", "the digest must be"},
           {"nginx@sha256:" + std::string(64, 'G'), "the digest must be"},
           {kHex, "image id"},
           {"a//b", "no part of a repository name"},
           {"/a", "no part of a repository name"},
           {"a/", "no part of a repository name"},
           {"a..b", "no part of a repository name"},
           {"a___b", "no part of a repository name"},
           {"-a", "no part of a repository name"},
           {"a-", "no part of a repository name"},
           {"a b", "no part of a repository name"},
           {"host:port/x", "is no registry"},
           {"host:99999/x", "is no registry"},
           {"ho_st.com/x", "is no registry"},
           {".com/x", "is no registry"},
           {"docker.io/", "missing"},
           {"docker.io/" + std::string(250, 'a'), "longer than 255"},
       }) {
    try {
      ADD_FAILURE() << written << " became " << normalise_reference(written);
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr(expected)) << written;
    }
  }
}

TEST(Reference, FamiliarIsWhatPeopleWrite) {
  EXPECT_EQ(familiar_reference("docker.io/library/nginx:latest"), "nginx:latest");
  EXPECT_EQ(familiar_reference("docker.io/grafana/grafana:1"), "grafana/grafana:1");
  EXPECT_EQ(familiar_reference("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
  EXPECT_EQ(familiar_reference("docker.io/localhost/b:1"), "docker.io/localhost/b:1");
  EXPECT_EQ(familiar_reference("docker.io/library/a/b:1"), "library/a/b:1");
  for (const char* name : {"nginx:latest", "grafana/grafana:1", "localhost/x:1"})
    EXPECT_EQ(familiar_reference(normalise_reference(name)), name);
}

}  // namespace
}  // namespace pcompose::engine
