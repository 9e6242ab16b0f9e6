#include "engine/images/credentials.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "engine/images/credential_program.h"
#include "tests/fixture/temporary_directory.h"

namespace pcompose::engine {
namespace {

using testing::HasSubstr;
using testing::Not;

std::optional<Credentials> nobody(const std::string&, const std::string&) { return std::nullopt; }

std::string user_for(const std::string& file, const std::string& name,
                     CredentialStore::Ask ask = nobody) {
  return CredentialStore({AuthFile::parse(file, "auth.json")}, std::move(ask)).find(name).username;
}

// a:1, b:2, c:3
constexpr const char* kFile = R"({"auths":{
  "https://index.docker.io/v1/":{"auth":"YTox"},
  "quay.io":{"auth":"Yjoy"},
  "quay.io/org/app":{"auth":"Yzoz"},
  "empty.io":{},
  "http://old.io/v2/":{"username":"d","password":"4"}}})";

TEST(Credentials, TheMostSpecificEntryCounts) {
  EXPECT_EQ(user_for(kFile, "docker.io/library/nginx"), "a");
  EXPECT_EQ(user_for(kFile, "quay.io/other/app"), "b");
  EXPECT_EQ(user_for(kFile, "quay.io/org/app"), "c");
  EXPECT_EQ(user_for(kFile, "quay.io/org/app2"), "b");
  EXPECT_EQ(user_for(kFile, "quay.io.evil.test/x"), "");
  EXPECT_EQ(user_for(kFile, "old.io/x"), "d");
  EXPECT_EQ(user_for(kFile, "empty.io/x"), "");
  EXPECT_EQ(user_for(kFile, "other.io/x"), "");
}

TEST(Credentials, HelpersAreAskedForTheirRegistries) {
  std::vector<std::string> asked;
  auto ask = [&](const std::string& helper, const std::string& registry) {
    asked.push_back(helper + " " + registry);
    return std::optional(Credentials{helper, "x", "", ""});
  };
  std::string file = R"({"credsStore":"desktop","credHelpers":{"gcr.io":"gcloud"}})";
  EXPECT_EQ(user_for(file, "gcr.io/x", ask), "gcloud");
  EXPECT_EQ(user_for(file, "docker.io/library/x", ask), "desktop");
  EXPECT_THAT(asked, testing::ElementsAre("gcloud gcr.io", "desktop https://index.docker.io/v1/"));
}

TEST(Credentials, TokensOfHelpers) {
  Credentials c = parse_helper_answer(R"({"Username":"<token>","Secret":"t"})", "x");
  EXPECT_EQ(c.identity_token, "t");
  EXPECT_EQ(c.username, "");
  EXPECT_THROW(parse_helper_answer("secret", "x"), Error);
  EXPECT_THROW(ask_credential_helper("../x", "y"), Error);
}

TEST(Credentials, ErrorsDoNotRepeatSecrets) {
  try {
    AuthFile::parse(R"({"auths":{"x":{"auth":"geheim"}}})", "auth.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("auth.json"));
    EXPECT_THAT(e.what(), Not(HasSubstr("geheim")));
  }
  EXPECT_THROW(AuthFile::parse("[]", "auth.json"), Error);
}

TEST(Login, IsWrittenForTheUserAloneAndKeepsTheRest) {
  fixture::TemporaryDirectory directory;
  std::string file = directory / "docker/config.json";
  write_login(file, "docker.io", {"a", "1:2", "", ""});
  struct stat status{};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(json::parse(read_file(file)).at("auths").at("https://index.docker.io/v1/").at("auth"),
            "YToxOjI=");
  replace_file(file, R"({"psFormat":"x","auths":{"index.docker.io":{"auth":"YTox"}}})");
  write_login(file, "quay.io", {"b", "", "", ""});
  EXPECT_EQ(json::parse(read_file(file)).at("psFormat"), "x");
  AuthFile read = AuthFile::parse(read_file(file), file);
  EXPECT_EQ(read.auths.at("docker.io").username, "a");
  EXPECT_EQ(read.auths.at("quay.io").username, "b");
  EXPECT_TRUE(remove_login(file, "docker.io"));
  EXPECT_FALSE(remove_login(file, "docker.io"));
}

}  // namespace
}  // namespace pcompose::engine
