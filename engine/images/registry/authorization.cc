#include "engine/images/registry/authorization.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

std::string base64(std::string_view data) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < data.size(); i += 3) {
    uint32_t group = 0;
    size_t count = std::min<size_t>(3, data.size() - i);
    for (size_t j = 0; j < 3; ++j)
      group = group << 8U | (j < count ? static_cast<unsigned char>(data[i + j]) : 0U);
    for (size_t j = 0; j < 4; ++j)
      out += j <= count ? kDigits[group >> (18U - 6U * static_cast<unsigned>(j)) & 63U] : '=';
  }
  return out;
}

// RFC 3986, 2.3.
std::string escaped(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char letter : text) {
    auto c = static_cast<unsigned char>(letter);
    bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4U];
      out += kHex[c & 15U];
    }
  }
  return out;
}

std::string parameter(const Challenge& challenge, const std::string& name) {
  auto found = challenge.parameters.find(name);
  return found == challenge.parameters.end() ? "" : found->second;
}

}  // namespace

std::string basic_authorization(const Credentials& credentials) {
  return "Basic " + base64(credentials.username + ":" + credentials.password);
}

std::optional<Challenge> choose_challenge(const std::string& header) {
  auto all = parse_challenges(header);
  for (const char* scheme : {"bearer", "basic"}) {
    auto found = std::ranges::find_if(all, [&](const Challenge& c) { return c.scheme == scheme; });
    if (found != all.end()) return *found;
  }
  return std::nullopt;
}

HttpRequest token_request(const Challenge& challenge, const std::vector<std::string>& scopes,
                          const Credentials& credentials, std::string& form) {
  std::string realm = parameter(challenge, "realm"), service = parameter(challenge, "service");
  if (!realm.starts_with("https://") && !realm.starts_with("http://"))
    throw Error("the registry names no token server: its realm is no URL");
  HttpRequest request;
  request.headers = {"Accept: application/json"};
  std::string query = "service=" + escaped(service);
  for (const std::string& scope : scopes) query += "&scope=" + escaped(scope);
  if (!credentials.identity_token.empty()) {
    request.method = Method::post;
    request.url = realm;
    form = "grant_type=refresh_token&client_id=pcompose&refresh_token=" +
           escaped(credentials.identity_token) + "&" + query;
    request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
    request.body = form;
    return request;
  }
  request.url = realm + (realm.contains('?') ? "&" : "?") + query;
  if (!credentials.username.empty()) request.authorization = basic_authorization(credentials);
  return request;
}

std::string read_token(const std::string& body) {
  json::value value = parse_json(body, "the token server's answer");
  const json::object* object = value.if_object();
  for (const char* name : {"token", "access_token"}) {
    const json::value* token = object == nullptr ? nullptr : object->if_contains(name);
    if (token == nullptr || !token->is_string() || token->get_string().empty()) continue;
    std::string text(token->get_string());
    // It goes into a header as it is.
    if (std::ranges::any_of(text, [](unsigned char c) { return c <= 0x20 || c >= 0x7f; }))
      throw Error("the token server's answer holds no usable token");
    return text;
  }
  throw Error("the token server's answer holds no token");
}

}  // namespace pcompose::engine
