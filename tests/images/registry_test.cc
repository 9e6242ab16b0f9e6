// What the client makes of a registry's answers.
#include <curl/curl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/images/registry/authorization.h"
#include "engine/images/registry/challenge.h"
#include "engine/images/registry/failure.h"
#include "engine/images/registry/loopback.h"

namespace pcompose::engine {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(WwwAuthenticate, TheUsualOnes) {
  auto all = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:pull,push")");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].scheme, "bearer");
  EXPECT_THAT(all[0].parameters, UnorderedElementsAre(Pair("realm", "https://auth.docker.io/token"),
                                                      Pair("service", "registry.docker.io"),
                                                      Pair("scope", "a:b:pull,push")));
  all = parse_challenges(R"(Basic Realm = "my \"registry\"" , charset=UTF-8)");
  ASSERT_EQ(all.size(), 1U);
  EXPECT_THAT(all[0].parameters,
              UnorderedElementsAre(Pair("realm", "my \"registry\""), Pair("charset", "UTF-8")));
}

TEST(WwwAuthenticate, SeveralInOneLine) {
  auto all = parse_challenges(R"(Negotiate, BASIC realm="x", Bearer realm=https://h/t,service=s)");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].scheme, "basic");
  EXPECT_EQ(all[2].parameters.at("realm"), "https://h/t");
  EXPECT_EQ(choose_challenge(R"(Basic realm="x", Bearer realm="y")")->scheme, "bearer");
  EXPECT_FALSE(choose_challenge("Negotiate"));
}

TEST(WwwAuthenticate, Nonsense) {
  EXPECT_THAT(parse_challenges(""), IsEmpty());
  EXPECT_THAT(parse_challenges(",,, ="), IsEmpty());
  EXPECT_THAT(parse_challenges("=\"x\""), IsEmpty());
  EXPECT_EQ(parse_challenges("Bearer realm=\"open").at(0).parameters.at("realm"), "open");
  EXPECT_EQ(parse_challenges("Bearer realm=\"open\\").size(), 1U);
}

TEST(Token, IsAskedForByGetOrPost) {
  Challenge challenge{"bearer", {{"realm", "https://h/token"}, {"service", "a b"}}};
  std::string form;
  HttpRequest get = token_request(challenge, {"repository:x/y:pull"}, {}, form);
  EXPECT_EQ(get.url, "https://h/token?service=a%20b&scope=repository%3Ax%2Fy%3Apull");
  EXPECT_EQ(get.authorization, "");
  get = token_request(challenge, {}, {"Aladdin", "open sesame", "", ""}, form);
  EXPECT_EQ(get.url, "https://h/token?service=a%20b");
  EXPECT_EQ(get.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617, 2
  HttpRequest post = token_request(challenge, {"s"}, {"u", "", "idtoken&", ""}, form);
  EXPECT_EQ(post.method, Method::post);
  EXPECT_EQ(post.url, "https://h/token");
  EXPECT_THAT(post.body, HasSubstr("grant_type=refresh_token"));
  EXPECT_THAT(post.body, HasSubstr("refresh_token=idtoken%26"));
  challenge.parameters["realm"] = "file:///etc/passwd";
  EXPECT_THROW(token_request(challenge, {"s"}, {}, form), Error);
}

TEST(Token, IsReadFromTheAnswer) {
  EXPECT_EQ(read_token(R"({"token":"abc"})"), "abc");
  EXPECT_EQ(read_token(R"({"access_token":"abc","expires_in":60})"), "abc");
  for (const char* wrong : {"", "[]", "{}", R"({"token":1})", R"({"token":"a\r\nHost: x"})"})
    EXPECT_THROW(read_token(wrong), Error) << wrong;
}

TEST(Loopback, IsThisMachineAlone) {
  for (const char* ours :
       {"localhost", "localhost:5000", "127.0.0.1:5000", "127.8.9.1", "[::1]:80"})
    EXPECT_TRUE(is_loopback(ours)) << ours;
  for (const char* other : {"localhost.example.com", "127.0.0.1.example.com", "128.0.0.1", "[::2]"})
    EXPECT_FALSE(is_loopback(other)) << other;
  EXPECT_TRUE(is_loopback_url("http://127.0.0.1:5000/v2/"));
  EXPECT_FALSE(is_loopback_url("http://127.0.0.1@example.com/"));
  EXPECT_FALSE(is_loopback_url("http://example.com/127.0.0.1"));
}

TEST(RetryAfter, SecondsAndDates) {
  auto now = std::chrono::system_clock::from_time_t(784111770);  // 7 s before the date below
  auto wait = [&](const char* text) { return retry_after({429, {{"retry-after", text}}}, now); };
  EXPECT_EQ(wait("12"), std::chrono::seconds(12));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:49:37 GMT"), std::chrono::seconds(7));
  EXPECT_EQ(wait("Sun, 06 Nov 1974 08:49:37 GMT"), std::chrono::seconds(0));
  EXPECT_EQ(wait("999999999999999999"), std::chrono::days(365));
  EXPECT_EQ(wait("Sun, 06 Nov 2994 08:49:37 GMT"), std::chrono::days(365));
  EXPECT_FALSE(wait("soon"));
  EXPECT_FALSE(wait("-4"));
  EXPECT_FALSE(retry_after({}, now));
}

std::string error_text(long status, const std::string& body, const Credentials& credentials = {}) {
  ImageSource source{"h:5000", "x", "h:5000", Tls::verified, credentials};
  return registry_error({{status, {}}, body, 0, ""}, source, "x:1").what();
}

TEST(RegistryError, SaysWhatToDo) {
  EXPECT_THAT(error_text(401, ""), HasSubstr("pcompose login h:5000"));
  std::string refused = error_text(401, "", {"me", "geheim", "", ""});
  EXPECT_THAT(refused, HasSubstr("\"me\""));
  EXPECT_THAT(refused, Not(HasSubstr("geheim")));
  EXPECT_THAT(error_text(404, R"({"errors":[{"code":"NAME_UNKNOWN","message":"no \u001b[31m"}]})"),
              HasSubstr("(NAME_UNKNOWN: no  [31m)"));
  EXPECT_THAT(error_text(500, "<html>"), HasSubstr("try again later"));
  ImageSource source{"nowhere.invalid", "x", "nowhere.invalid", Tls::verified, {}};
  HttpResult result{{}, "", CURLE_COULDNT_RESOLVE_HOST, ""};
  EXPECT_THAT(registry_error(result, source, "x").what(), HasSubstr("is not known"));
  result.code = CURLE_PEER_FAILED_VERIFICATION;
  EXPECT_THAT(registry_error(result, source, "x").what(), HasSubstr("certs.d/nowhere.invalid"));
}

TEST(RegistryError, EveryFailureHasACure) {
  ImageSource source{"h:5000", "x", "h:5000", Tls::verified, {}};
  for (long status : {301L, 400L, 401L, 403L, 404L, 405L, 407L, 429L, 500L, 503L})
    EXPECT_NE(registry_error({{status, {}}, "", 0, ""}, source, "x:1").hint(), "") << status;
  const std::pair<int, const char*> cures[] = {{CURLE_COULDNT_RESOLVE_HOST, "DNS"},
                                               {CURLE_COULDNT_RESOLVE_PROXY, "HTTPS_PROXY"},
                                               {CURLE_COULDNT_CONNECT, "HTTPS_PROXY"},
                                               {CURLE_OPERATION_TIMEDOUT, "try again"},
                                               {CURLE_PEER_FAILED_VERIFICATION, "certs.d"},
                                               {CURLE_SSL_CONNECT_ERROR, "insecure = true"},
                                               {CURLE_SSL_CERTPROBLEM, "certs.d"},
                                               {CURLE_PARTIAL_FILE, "try again"},
                                               {CURLE_RECV_ERROR, "try again"}};
  for (const auto& [code, cure] : cures)
    EXPECT_THAT(registry_error({{}, "", code, "why"}, source, "x").hint(), HasSubstr(cure)) << code;
}

TEST(RegistryError, NamesWhoWasTalkedTo) {
  ImageSource source{"h:5000", "x", "h:5000", Tls::verified, {}};
  HttpResult result{{}, "", CURLE_COULDNT_RESOLVE_HOST, "", "auth.example", {}};
  EXPECT_THAT(registry_error(result, source, "x").what(), HasSubstr("the host auth.example"));
  result.code = CURLE_OPERATION_TIMEDOUT;
  EXPECT_THAT(registry_error(result, source, "x").what(), HasSubstr("does not answer"));
  result.head.status = 200;
  result.proxy = {"http://p:3128", "HTTPS_PROXY", 0};
  EXPECT_THAT(registry_error(result, source, "x").what(), HasSubstr("stopped sending"));
  EXPECT_THAT(registry_error(result, source, "x").hint(), HasSubstr("p:3128 (HTTPS_PROXY)"));
}

TEST(Address, OfAProxyIsShownWithoutItsPassword) {
  EXPECT_EQ(without_password("http://me:p@ss@p:3128/x"), "http://p:3128/x");
  EXPECT_EQ(without_password("me:pass@p:3128"), "p:3128");
  EXPECT_EQ(without_password("http://p:3128/a@b"), "http://p:3128/a@b");
  EXPECT_EQ(url_host("https://me@h:5000/v2/"), "h:5000");
  EXPECT_EQ(url_host("h:5000"), "");
}

TEST(RegistryError, SomeGoAway) {
  for (long status : {408, 429, 500, 502, 503, 504})
    EXPECT_TRUE(is_transient({{status, {}}, "", 0, ""})) << status;
  for (long status : {400, 401, 403, 404, 416, 501})
    EXPECT_FALSE(is_transient({{status, {}}, "", 0, ""})) << status;
  EXPECT_TRUE(is_transient({{200, {}}, "", CURLE_PARTIAL_FILE, ""}));
  EXPECT_FALSE(is_transient({{200, {}}, "", CURLE_PEER_FAILED_VERIFICATION, ""}));
}

}  // namespace
}  // namespace pcompose::engine
