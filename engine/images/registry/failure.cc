#include "engine/images/registry/failure.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <curl/curl.h>

#include <fmt/format.h>

#include "base/json.h"
#include "engine/images/config.h"

namespace pcompose::engine {
namespace {

constexpr size_t kMaxRemark = 200;

// A terminal shows it: no control characters.
std::string cleaned(std::string_view text) {
  std::string out(text.substr(0, kMaxRemark));
  std::ranges::replace_if(out, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  return out;
}

// {"errors": [{"code": …, "message": …}]}: distribution's API, "Errors". "" where it is not that.
std::string remark(const std::string& body) {
  try {
    json::value value = parse_json(body, "the answer");
    const json::object& first = value.at("errors").as_array().at(0).as_object();
    std::string out(first.at("code").as_string());
    if (const json::value* message = first.if_contains("message");
        message != nullptr && message->is_string())
      out += ": " + std::string(message->get_string());
    return " (" + cleaned(out) + ")";
  } catch (const std::exception&) {
    return "";
  }
}

// "the proxy http://proxy:3128 (HTTPS_PROXY)"
std::string named(const ProxyUse& proxy) {
  std::string out = "the proxy " + cleaned(proxy.address);
  return proxy.variable.empty() ? out : out + " (" + cleaned(proxy.variable) + ")";
}

// curl says where it did not get through as "HOST port PORT".
bool is_about(const std::string& reason, const ProxyUse& proxy) {
  std::string address = proxy.address.substr(proxy.address.rfind('/') + 1);
  size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return reason.contains("to " + host + " port");
}

Error proxy_refusal(const ProxyUse& proxy, long status) {
  const std::string& place = proxy.variable.empty() ? "HTTPS_PROXY" : proxy.variable;
  if (status == 407) {
    return Error(named(proxy) + " wants a password (407)")
        .hint("set " + place + "=http://USER:PASSWORD@HOST:PORT");
  }
  return Error(fmt::format("{} refuses with status {}", named(proxy), status))
      .hint("does it let this registry through? NO_PROXY names hosts that are reached without it");
}

// What the proxy, and not the registry, has done; nullopt where that cannot be said.
std::optional<Error> proxy_error(const HttpResult& result) {
  const ProxyUse& proxy = result.proxy;
  std::string reason = cleaned(result.error);
  if (result.code == CURLE_COULDNT_RESOLVE_PROXY) {
    return Error("the host of " + named(proxy) + " is not known")
        .hint("check HTTPS_PROXY and HTTP_PROXY");
  }
  if (proxy.address.empty()) return std::nullopt;
  std::string check = fmt::format(
      "check {}: http://HOST:PORT, https:// where the proxy itself speaks TLS, or socks5h://",
      proxy.variable);
  if (proxy.status >= 400) return proxy_refusal(proxy, proxy.status);
  if (reason.contains("Unsupported proxy"))
    return Error(named(proxy) + " is of no known kind: " + reason).hint(check);
  if (result.code == CURLE_PROXY)
    return Error(named(proxy) + " does not let us through: " + reason).hint(check);
  if (result.code == CURLE_COULDNT_CONNECT && is_about(reason, proxy))
    return Error("no connection to " + named(proxy) + ": " + reason).hint("does it run? " + check);
  if (result.code == CURLE_SSL_CONNECT_ERROR && proxy.status == 0 &&
      proxy.address.starts_with("https:"))
    return Error("no TLS with " + named(proxy) + ": " + reason).hint(check);
  return std::nullopt;
}

// What may help where nobody can say on which side of a proxy it broke.
std::string by_way_of(const ProxyUse& proxy) {
  return proxy.address.empty() ? "behind a proxy set HTTPS_PROXY"
                               : "is " + named(proxy) + " in order?";
}

Error time_out(const HttpResult& result, const std::string& host) {
  std::string reason = cleaned(result.error);
  bool began = result.head.status != 0;
  return Error(
             fmt::format("{} {}: {}", host, began ? "stopped sending" : "does not answer", reason))
      .hint("try again; PCOMPOSE_REGISTRY_TIMEOUT=SECONDS waits longer than 60; " +
            by_way_of(result.proxy));
}

Error connection_error(const HttpResult& result, const ImageSource& source) {
  if (auto proxy = proxy_error(result)) return *proxy;
  const std::string host = result.host.empty() ? source.host : cleaned(result.host);
  std::string reason = cleaned(result.error);
  switch (result.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error(fmt::format("the host {} is not known", host))
          .hint("is the name right, and does DNS work here? getent hosts NAME tells");
    case CURLE_COULDNT_CONNECT:
      return Error(fmt::format("no connection to {}: {}", host, reason))
          .hint("does the registry run there? " + by_way_of(result.proxy));
    case CURLE_OPERATION_TIMEDOUT:
      return time_out(result, host);
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error(fmt::format("the certificate of {} is not trusted: {}", host, reason))
          .hint(fmt::format("put the certificate of its authority (or of a proxy that opens TLS) "
                            "into /etc/containers/certs.d/{}/ca.crt",
                            source.host));
    case CURLE_SSL_CONNECT_ERROR:
      return Error(fmt::format("no TLS with {}: {}", host, reason))
          .hint("a registry without TLS needs insecure = true in registries.conf");
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Error(fmt::format("a certificate for {} cannot be used: {}", source.host, reason))
          .hint("look at the files in certs.d/" + source.host);
    default:
      return Error(fmt::format("the connection to {} failed: {}", host, reason))
          .hint(result.proxy.address.empty() ? "try again"
                                             : "try again; " + by_way_of(result.proxy));
  }
}

Error unauthorized(const ImageSource& source, const std::string& what, const std::string& said) {
  if (source.credentials.empty()) {
    return Error(fmt::format("{} lets nobody see {} without a login{}", source.shown, what, said))
        .hint("check the name; log in with pcompose login " + source.shown);
  }
  return Error(fmt::format("{} does not accept the login of \"{}\" for {}{}", source.shown,
                           cleaned(source.credentials.username), what, said))
      .hint("log in again with pcompose login " + source.shown);
}

}  // namespace

bool is_transient(const HttpResult& result) {
  // A proxy's no to CONNECT comes as a broken connection.
  if (result.code != CURLE_OK && result.proxy.status >= 400 && result.proxy.status < 500)
    return false;
  // OpenSSL's words for somebody who answers, but not by TLS.
  if (result.code == CURLE_SSL_CONNECT_ERROR && result.error.contains("wrong version number"))
    return false;
  switch (result.code) {
    case CURLE_OK:
      break;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
      return true;
    default:
      return false;
  }
  long status = result.head.status;
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

std::optional<std::chrono::seconds> retry_after(const HttpHead& head, WallTime now) {
  std::string text = head.header("retry-after");
  if (text.empty()) return std::nullopt;
  constexpr int64_t kLongest = 365 * 86400;  // what is longer means never, and must not overflow
  int64_t seconds = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, seconds);
  if (error != std::errc() || stop != end) {
    time_t date = ::curl_getdate(text.c_str(), nullptr);
    if (date == -1) return std::nullopt;
    seconds = std::max<int64_t>(date - std::chrono::system_clock::to_time_t(now), 0);
  }
  if (seconds < 0) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kLongest));
}

Error registry_error(const HttpResult& result, const ImageSource& source, const std::string& what) {
  if (result.code != CURLE_OK) return connection_error(result, source);
  std::string said = remark(result.body);
  switch (result.head.status) {
    case 401:
      return unauthorized(source, what, said);
    case 403:
      return Error(fmt::format("{} forbids {} (403){}", source.shown, what, said))
          .hint("the account you use there may not do that: pcompose login " + source.shown);
    case 404:
      return Error(fmt::format("{} does not have {} (404){}", source.shown, what, said))
          .hint("check the name and the tag");
    case 407:
      return proxy_refusal(result.proxy, 407);
    case 429: {
      std::string wait = result.head.header("retry-after");
      return Error(fmt::format("{} allows no more requests for now (429){}", source.shown, said))
          .hint(wait.empty() ? "a login often raises the limit: pcompose login " + source.shown
                             : "wait, it says for " + cleaned(wait) + " s; a login often helps");
    }
    default:
      return Error(fmt::format("{} answers {} with status {}{}", source.shown, what,
                               result.head.status, said))
          .hint(result.head.status >= 500 ? "the fault is the registry's: try again later"
                                          : "is that a registry?");
  }
}

}  // namespace pcompose::engine
