// What a registry and its token server may answer, and what configuration files hold: no crash, and
// nothing that goes into a request unescaped.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "engine/images/credential_program.h"
#include "engine/images/credentials.h"
#include "engine/images/descriptor.h"
#include "engine/images/pull_request.h"
#include "engine/images/registries.h"
#include "engine/images/registry/authorization.h"
#include "engine/images/registry/failure.h"

using namespace pcompose;
using namespace pcompose::engine;

namespace {

template <class Parse>
void ignoring_errors(Parse&& parse) {
  try {
    parse();
  } catch (const Error&) {
  }
}

void check_challenge(const std::string& text) {
  auto challenge = choose_challenge(text);
  if (!challenge) return;
  std::string form;
  HttpRequest request = token_request(*challenge, {"repository:x:pull"}, {}, form);
  if (!request.url.starts_with("http")) std::abort();
}

void check_token(const std::string& text) {
  std::string token = read_token(text);
  if (token.empty() || token.find_first_of("\r\n ") != std::string::npos) std::abort();
}

void check_error(const std::string& text) {
  HttpResult result{{404, {{"retry-after", text}}}, text, 0, text};
  std::string what = registry_error(result, {"h", "p", "h", Tls::verified, {}}, "x").what();
  if (std::ranges::any_of(what, [](char c) { return c >= 0 && c < 0x20; })) std::abort();
  static_cast<void>(retry_after(result.head, {}));
}

void check_index(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) return;
  auto all = read_descriptors(value, "manifests", "it");
  for (const Descriptor& d : choose_descriptors(all, Platform::host(), "it")) {
    if (!d.digest.starts_with("sha256:")) std::abort();
  }
}

void check_registries(const std::string& text) {
  Registries registries;
  registries.add(text, "fuzz");
  static_cast<void>(registries.candidates("nginx"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  ignoring_errors([&] { check_challenge(text); });
  ignoring_errors([&] { check_token(text); });
  ignoring_errors([&] { check_error(text); });
  ignoring_errors([&] { check_index(text); });
  ignoring_errors([&] { check_registries(text); });
  ignoring_errors([&] { AuthFile::parse(text, "fuzz"); });
  ignoring_errors([&] { parse_helper_answer(text, "fuzz"); });
  ignoring_errors([&] { Platform::parse(text); });
  return 0;
}
