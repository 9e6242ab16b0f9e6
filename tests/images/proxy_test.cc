// Proxies, clients' certificates and refusals that a pull test has no place for.
#include <sys/stat.h>

#include "base/fd.h"
#include "engine/images/transfer_setup.h"
#include "tests/fixture/cut_proxy.h"
#include "tests/images/pull_fixture.h"
#include "tests/images/refusing_server.h"

namespace pcompose::engine {
namespace {

using testing::HasSubstr;

class Proxied : public PullTest {
 protected:
  Proxied() {
    ::unsetenv("NO_PROXY");
    ::unsetenv("no_proxy");
    ::setenv("DOCKER_CONFIG", (directory_ / "docker").c_str(), 1);
    // Beyond this machine, or no proxy would be asked.
    write("registries.conf", "[[registry]]\nlocation = \"registry.invalid\"\ninsecure = true\n");
  }
  ~Proxied() override {
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "DOCKER_CONFIG"})
      ::unsetenv(name);
  }
};

TEST_F(Proxied, TheEnvironmentsProxyIsAsked) {
  RefusingServer proxy;
  proxy.answer(407);
  ::setenv("HTTP_PROXY", fmt::format("http://127.0.0.1:{}", proxy.port()).c_str(), 1);
  ::setenv("HTTPS_PROXY", fmt::format("http://127.0.0.1:{}", proxy.port()).c_str(), 1);
  ImageResult result = pull("registry.invalid/x:1");
  EXPECT_EQ(result.outcome, ImageResult::Outcome::failed);
  EXPECT_GT(proxy.requests(), 0);
  EXPECT_THAT(result.error + result.hint, HasSubstr("proxy"));
}

TEST_F(Proxied, ExceptionsAreNotSentThere) {
  RefusingServer proxy;
  std::string address = fmt::format("http://127.0.0.1:{}", proxy.port());
  ::setenv("HTTP_PROXY", address.c_str(), 1);
  ::setenv("HTTPS_PROXY", address.c_str(), 1);
  ::setenv("NO_PROXY", "other.example,registry.invalid", 1);
  ImageResult result = pull("registry.invalid/x:1");
  EXPECT_EQ(proxy.requests(), 0);
  EXPECT_THAT(result.error, HasSubstr("the host registry.invalid is not known"));
  EXPECT_THAT(result.hint, HasSubstr("DNS"));
}

TEST_F(Proxied, DockersConfigurationHasOneToo) {
  RefusingServer proxy;
  proxy.answer(407);
  write("docker/config.json",
        fmt::format(R"({{"proxies":{{"default":{{"httpProxy":"http://127.0.0.1:{0}",)"
                    R"("httpsProxy":"http://127.0.0.1:{0}","noProxy":"a.example"}}}}}})",
                    proxy.port()));
  EXPECT_EQ(pull("registry.invalid/x:1").outcome, ImageResult::Outcome::failed);
  EXPECT_GT(proxy.requests(), 0);
  Proxies found = find_proxies();
  EXPECT_EQ(found.none, "a.example");
  ::setenv("HTTPS_PROXY", "http://environment.invalid:1", 1);
  EXPECT_EQ(find_proxies().https, "http://environment.invalid:1");
  EXPECT_EQ(parse_docker_proxies("no JSON").http, "");
  EXPECT_EQ(parse_docker_proxies(R"({"proxies":[1]})").http, "");
}

// What a refusal names: the proxy without its password, and the variable.
struct Refusal {
  std::string address, why, hint;
};

class Refused : public Proxied {
 protected:
  void expect(const Refusal& r) {
    write("registries.conf", "");
    for (const char* variable : {"HTTPS_PROXY", "https_proxy", "ALL_PROXY"}) {
      ::setenv(variable, r.address.c_str(), 1);
      ImageResult result = pull("registry.invalid/x:1");
      ::unsetenv(variable);
      EXPECT_EQ(result.outcome, ImageResult::Outcome::failed);
      EXPECT_THAT(result.error, HasSubstr(r.why));
      EXPECT_THAT(result.error, HasSubstr(fmt::format("({})", variable)));
      EXPECT_THAT(result.error + result.hint, testing::Not(HasSubstr("geheim")));
      EXPECT_THAT(result.hint, HasSubstr(r.hint));
    }
  }
};

TEST_F(Refused, ByAProxyThatWantsAPassword) {
  RefusingServer proxy;
  proxy.answer(407, "Proxy-Authenticate: Basic realm=\"x\"\r\n");
  std::string place = fmt::format("127.0.0.1:{}", proxy.port());
  expect({"http://me:geheim@" + place, "the proxy http://" + place, "=http://USER:PASSWORD@"});
  // Nothing is gained by asking again.
  EXPECT_LE(proxy.requests(), 6);
}

TEST_F(Refused, ByAProxyThatForbids) {
  RefusingServer proxy;
  proxy.answer(403);
  expect({fmt::format("http://127.0.0.1:{}", proxy.port()), "refuses with status 403", "NO_PROXY"});
}

TEST_F(Refused, ByAProxyThatDoesNotRun) {
  expect({"http://127.0.0.1:1", "no connection to the proxy http://127.0.0.1:1", "does it run?"});
  expect({"http://[::1]:1", "no connection to the proxy http://[::1]:1", "does it run?"});
  expect({"127.0.0.1:1", "no connection to the proxy 127.0.0.1:1", "does it run?"});
}

TEST_F(Refused, ByAProxyThatNobodyKnows) {
  expect({"http://me:geheim@proxy.invalid:3128", "the host of the proxy http://proxy.invalid:3128",
          "HTTPS_PROXY"});
}

TEST_F(Refused, ByAProxyOfAnotherScheme) {
  RefusingServer proxy;
  expect({fmt::format("https://127.0.0.1:{}", proxy.port()), "no TLS with the proxy https://127",
          "http://HOST:PORT"});
  expect({"ftp://127.0.0.1:1", "of no known kind", "http://HOST:PORT"});
}

TEST_F(Refused, BySilence) {
  RefusingServer proxy;  // it waits for the rest of a request
  write("registries.conf", "");
  ::setenv("PCOMPOSE_REGISTRY_TIMEOUT", "1", 1);
  ::setenv("ALL_PROXY", fmt::format("socks5h://127.0.0.1:{}", proxy.port()).c_str(), 1);
  ImageResult result = pull("registry.invalid/x:1");
  ::unsetenv("ALL_PROXY");
  ::unsetenv("PCOMPOSE_REGISTRY_TIMEOUT");
  EXPECT_THAT(result.error, HasSubstr("registry.invalid does not answer"));
  EXPECT_THAT(result.hint, HasSubstr("is the proxy socks5h://127.0.0.1"));
  EXPECT_THAT(result.hint, HasSubstr("(ALL_PROXY) in order?"));
}

TEST_F(Proxied, AClientsCertificateNeedsItsKey) {
  write("home/.config/containers/certs.d/registry.invalid/client.cert", "PEM");
  try {
    ImageResult result = pull("registry.invalid/x:1");
    EXPECT_THAT(result.error, HasSubstr("has no client.key beside it"));
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("has no client.key beside it"));
  }
}

TEST_F(PullTest, AClientsCertificateOpensTheRegistry) {
  fixture::Registry registry(directory_ / "registry", {"--tls", "--client-cert"});
  layout("app", {1000});
  registry.push(directory_ / "app", "app");
  std::string certificates = "home/.config/containers/certs.d/" + registry.host() + "/";
  write(certificates + "ca.crt", read_file(registry.authority()));
  ImageResult refused = pull(registry.host() + "/app");
  EXPECT_EQ(refused.outcome, ImageResult::Outcome::failed);
  EXPECT_NE(refused.hint, "");
  fs::path from = fs::path(registry.authority()).parent_path() / "certs.d";
  for (const char* name : {"client.cert", "client.key"})
    write(certificates + name, read_file(from / name));
  ImageResult result = pull(registry.host() + "/app");
  EXPECT_EQ(result.outcome, ImageResult::Outcome::pulled) << result.error;
}

}  // namespace
}  // namespace pcompose::engine
