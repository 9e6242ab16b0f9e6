#include "engine/images/registry/repository.h"

#include <algorithm>
#include <charconv>
#include <curl/curl.h>
#include <random>

#include <fmt/format.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/images/reference.h"
#include "engine/images/registry/authorization.h"
#include "engine/images/registry/failure.h"
#include "engine/images/registry/loopback.h"

namespace pcompose::engine {
namespace {

constexpr long kUnauthorized = 401;
constexpr long kForbidden = 403;
constexpr int64_t kMoreThanATrickle = 1 << 20;  // what excuses a silence after it
constexpr const char* kManifestTypes =
    "Accept: application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

bool is_success(const HttpResult& result) {
  return result.code == 0 && result.head.status >= 200 && result.head.status < 300;
}

std::string sha256_digest(const std::string& text) { return "sha256:" + sha256_hex(text); }

void check_document(const std::string& text, const std::string& digest, const std::string& from) {
  std::string found = sha256_digest(text);
  if (found != digest) {
    throw Error(fmt::format("{} sent something else: expected {}, found {}", from, digest, found))
        .hint("try again; if it stays so, the registry's copy is damaged");
  }
}

// "bytes 200-1023/1024" -> 200: RFC 9110, 14.4. -1 where it is no such header.
int64_t first_byte(const std::string& content_range) {
  constexpr std::string_view kUnit = "bytes ";
  if (!content_range.starts_with(kUnit)) return -1;
  int64_t first = -1;
  const char* begin = content_range.data() + kUnit.size();
  auto [stop, error] = std::from_chars(begin, content_range.data() + content_range.size(), first);
  return error == std::errc() && *stop == '-' ? first : -1;
}

// Puts a blob into a ring, from `start` on.
class RingReceiver final : public Receiver {
 public:
  RingReceiver(ByteRing& ring, int64_t size, std::function<void(int64_t)> on_bytes)
      : ring_(ring), size_(size), on_bytes_(std::move(on_bytes)) {}

  // Before each answer.
  void begin() { skip_ = -1; }
  [[nodiscard]] int64_t received() const { return received_; }
  [[nodiscard]] bool abandoned() const { return abandoned_; }
  [[nodiscard]] const std::string& fault() const { return fault_; }
  Take take(const HttpHead& head, std::string_view piece) override;

 private:
  bool find_start(const HttpHead& head);

  ByteRing& ring_;
  int64_t size_;
  std::function<void(int64_t)> on_bytes_;
  int64_t received_ = 0;
  int64_t skip_ = -1;  // what the answer repeats; -1 before its first byte
  bool abandoned_ = false;
  std::string fault_;
};

bool RingReceiver::find_start(const HttpHead& head) {
  if (skip_ >= 0) return true;
  int64_t start = head.status == 206 ? first_byte(head.header("content-range")) : 0;
  if (start < 0 || start > received_) return false;
  skip_ = received_ - start;  // a server without ranges begins anew
  return true;
}

Receiver::Take RingReceiver::take(const HttpHead& head, std::string_view piece) {
  if (!find_start(head)) {
    fault_ = "it answers with another range than the one it was asked for";
    return Take::stop;
  }
  auto repeated = std::min(skip_, static_cast<int64_t>(piece.size()));
  std::string_view fresh = piece.substr(static_cast<size_t>(repeated));
  if (received_ + static_cast<int64_t>(fresh.size()) > size_) {
    fault_ = fmt::format("it sends more than the {} bytes that the manifest says", size_);
    return Take::stop;
  }
  auto result = fresh.empty() ? ByteRing::Put::taken : ring_.offer(fresh);
  if (result == ByteRing::Put::full) return Take::later;
  abandoned_ = result == ByteRing::Put::abandoned;
  if (abandoned_) return Take::stop;
  skip_ -= repeated;
  received_ += static_cast<int64_t>(fresh.size());
  if (on_bytes_) on_bytes_(received_);
  return Take::taken;
}

}  // namespace

// Counts what failed in a row, and waits in between.
class Repository::Attempts {
 public:
  Attempts(const RetryPolicy& policy, Access access) : policy_(policy), access_(access) {}
  void progress() { failed_ = 0; }

  // Throws failure() where another attempt makes no sense.
  Task<> next(const HttpResult& result, const ImageSource& source, const std::string& what) {
    // Most often such a name is wrong; a name server that did not answer is asked again soon. A
    // silence has been waited for long enough already.
    bool once_more =
        result.code == CURLE_COULDNT_RESOLVE_HOST || result.code == CURLE_OPERATION_TIMEDOUT;
    int attempts = once_more ? std::min(policy_.attempts, 2) : policy_.attempts;
    if (!is_transient(result) || ++failed_ >= attempts) throw failure(result, source, what);
    auto wait = policy_.longest_wait;
    if (failed_ < 16) wait = std::min(wait, policy_.first_wait * (1 << (failed_ - 1)));
    // Clients that failed together should not come back together.
    static thread_local std::minstd_rand random{std::random_device()()};
    wait = wait / 2 + std::chrono::milliseconds(random() % static_cast<unsigned>(wait.count() + 1));
    auto asked = retry_after(result.head, std::chrono::system_clock::now());
    if (asked && *asked > policy_.longest_retry_after) throw failure(result, source, what);
    co_await sleep_for(asked ? std::max<std::chrono::milliseconds>(*asked, wait) : wait);
  }

 private:
  // A registry does not say whether it has no such repository or does not show it: docker's words
  // are for both, and programs look for them.
  [[nodiscard]] Error failure(const HttpResult& result, const ImageSource& source,
                              const std::string& what) const {
    Error error = registry_error(result, source, what);
    long status = result.code == CURLE_OK ? result.head.status : 0;
    constexpr std::string_view kOfficial = "library/";
    std::string_view name = source.path;
    if (name.starts_with(kOfficial)) name.remove_prefix(kOfficial.size());
    if (access_ == Access::pull && !name.empty() &&
        (status == kUnauthorized || status == kForbidden))
      error.add(fmt::format("pull access denied for {}", name));
    return error;
  }

  RetryPolicy policy_;
  Access access_;
  int failed_ = 0;
};

Repository::Repository(Transfers& transfers, ImageSource source, TlsFiles files, Access access,
                       RetryPolicy policy)
    : transfers_(transfers),
      source_(std::move(source)),
      files_(std::move(files)),
      access_(access),
      policy_(policy) {
  if (source_.tls == Tls::verified && !is_loopback(source_.host)) scheme_ = "https";
  if (!source_.credentials.registry_token.empty())
    authorization_ = "Bearer " + source_.credentials.registry_token;
}

void Repository::prepare(HttpRequest& request, const std::string& path) const {
  request.url = scheme_ + "://" + source_.host + "/v2/" + path;
  request.files = &files_;
  request.verify = source_.tls == Tls::verified;
}

Task<HttpResult> Repository::ping(const std::string& scheme) {
  HttpRequest request;
  prepare(request, "");
  request.url = scheme + "://" + source_.host + "/v2/";
  co_return co_await transfers_.perform(request, nullptr);
}

// A registry on this machine, or one that is configured insecure, may speak http alone. One that
// speaks TLS is never asked without.
Task<> Repository::find_scheme() {
  Attempts attempts(policy_, access_);
  while (scheme_.empty()) {
    HttpResult secure = co_await ping("https");
    if (secure.code == 0) {
      scheme_ = "https";
      co_return;
    }
    bool no_tls = secure.code == CURLE_SSL_CONNECT_ERROR || secure.code == CURLE_COULDNT_CONNECT ||
                  secure.code == CURLE_RECV_ERROR || secure.code == CURLE_GOT_NOTHING;
    if (!no_tls) co_await attempts.next(secure, source_, "the registry's API");
    if (!no_tls) continue;
    HttpResult plain = co_await ping("http");
    // 400 is how a server that wants TLS answers.
    bool wants_tls = plain.code == 0 && plain.head.status == 400;
    if (plain.code == 0 && !wants_tls) {
      scheme_ = "http";
      co_return;
    }
    co_await attempts.next(wants_tls ? secure : plain, source_, "the registry's API");
  }
}

Task<std::string> Repository::fetch_token(const HttpRequest& request) {
  Attempts attempts(policy_, access_);
  for (;;) {
    HttpResult result = co_await transfers_.perform(request, nullptr);
    if (is_success(result)) co_return read_token(result.body);
    // Its refusals of a password have many numbers; they mean one thing.
    if (result.code == 0 && (result.head.status == 400 || result.head.status == kForbidden))
      result.head.status = kUnauthorized;
    co_await attempts.next(result, source_, source_.path);
  }
}

std::vector<std::string> Repository::scopes() const {
  std::vector<std::string> out;
  if (source_.path.empty()) return out;
  const char* rights = access_ == Access::push ? ":pull,push" : ":pull";
  out.push_back("repository:" + source_.path + rights);
  for (const std::string& path : others_) out.push_back("repository:" + path + ":pull");
  return out;
}

Task<> Repository::answer(const HttpHead& refusal) {
  auto challenge = choose_challenge(refusal.header("www-authenticate"));
  if (!challenge) co_return;
  const Credentials& credentials = source_.credentials;
  if (challenge->scheme == "basic") {
    if (!credentials.username.empty()) authorization_ = basic_authorization(credentials);
    co_return;
  }
  std::string form;
  HttpRequest request = token_request(*challenge, scopes(), credentials, form);
  if (request.url.starts_with("http:") && scheme_ == "https" && !is_loopback_url(request.url) &&
      !credentials.empty()) {
    throw Error(fmt::format("{} wants its password sent without TLS, to {}", source_.shown,
                            request.url.substr(0, request.url.find('?'))));
  }
  request.files = &files_;
  request.verify = source_.tls == Tls::verified;
  authorization_ = "Bearer " + co_await fetch_token(request);
}

// One exchange asks for a token, those beside it wait for that one.
Task<> Repository::authorise(const HttpHead& refusal) {
  authorising_ = std::make_shared<Event>(co_await asio::this_coro::executor);
  struct Finish {
    std::shared_ptr<Event>& event;
    ~Finish() {
      event->set();
      event.reset();
    }
  } finish{authorising_};
  co_await answer(refusal);
}

Task<HttpResult> Repository::authorised(HttpRequest& request, Receiver* receiver) {
  for (bool answered = false;; answered = true) {
    while (auto event = authorising_) co_await event->wait();
    std::string used = authorization_;
    request.authorization = used;
    HttpResult result = co_await transfers_.perform(request, receiver);
    bool refused = result.code == 0 && result.head.status == kUnauthorized;
    if (!refused || answered) co_return result;
    if (authorization_ == used && !authorising_) co_await authorise(result.head);
  }
}

Task<HttpRequest> Repository::request(Method method, std::string path) {
  co_await find_scheme();
  HttpRequest out;
  out.method = method;
  prepare(out, source_.path + "/" + path);
  co_return out;
}

// An answer's Location may be a path, or an address; a password goes to the registry alone.
Task<HttpRequest> Repository::request_at(Method method, std::string location) {
  HttpRequest out = co_await request(method, "");
  std::string own = scheme_ + "://" + source_.host;
  if (location.starts_with('/')) location.insert(0, own);
  if (!location.starts_with(own + "/")) {
    throw Error(
        fmt::format("{} wants its uploads at another place: {:.200}", source_.shown, location))
        .hint("is there a proxy before the registry that does not tell it its name?");
  }
  out.url = std::move(location);
  co_return out;
}

Task<HttpResult> Repository::attempt(HttpRequest request) {
  co_return co_await authorised(request, nullptr);
}

Task<HttpResult> Repository::exchange(HttpRequest request, Receiver* receiver, std::string what,
                                      long also) {
  Attempts attempts(policy_, access_);
  for (;;) {
    HttpResult result = co_await authorised(request, receiver);
    bool expected = result.code == 0 && also != 0 && result.head.status == also;
    if (is_success(result) || expected) co_return result;
    co_await attempts.next(result, source_, what);
  }
}

Task<RegistryDocument> Repository::manifest(const std::string& reference) {
  bool by_digest = reference.contains(':');
  std::string what = source_.path + (by_digest ? "@" : ":") + reference;
  co_await find_scheme();
  HttpRequest request;
  request.headers = {kManifestTypes};
  prepare(request, source_.path + "/manifests/" + reference);
  HttpResult result = co_await exchange(std::move(request), nullptr, what);
  RegistryDocument document{result.head.header("content-type"), sha256_digest(result.body),
                            std::move(result.body)};
  document.media_type.resize(std::min(document.media_type.find(';'), document.media_type.size()));
  std::string promised = by_digest ? reference : result.head.header("docker-content-digest");
  if (is_sha256_digest(promised)) check_document(document.text, promised, source_.shown);
  co_return document;
}

Task<std::string> Repository::manifest_digest(const std::string& reference) {
  co_await find_scheme();
  HttpRequest request;
  request.method = Method::head;
  request.headers = {kManifestTypes};
  prepare(request, source_.path + "/manifests/" + reference);
  HttpResult result =
      co_await exchange(std::move(request), nullptr, source_.path + ":" + reference);
  std::string digest = result.head.header("docker-content-digest");
  co_return is_sha256_digest(digest) ? digest : "";
}

Task<std::string> Repository::document(const std::string& digest, int64_t size) {
  co_await find_scheme();
  HttpRequest request;
  prepare(request, source_.path + "/blobs/" + digest);
  HttpResult result = co_await exchange(std::move(request), nullptr, source_.path + "@" + digest);
  if (static_cast<int64_t>(result.body.size()) != size) {
    throw Error(fmt::format("blob {}: expected {} bytes, {} sent {}", digest, size, source_.shown,
                            result.body.size()));
  }
  check_document(result.body, digest, source_.shown);
  co_return std::move(result.body);
}

Task<> Repository::blob(const std::string& digest, int64_t size, ByteRing& ring,
                        std::function<void(int64_t)> on_bytes) {
  std::string what = source_.path + "@" + digest;
  co_await find_scheme();
  auto held = std::make_shared<RingReceiver>(ring, size, std::move(on_bytes));
  RingReceiver& receiver = *held;
  // The ring's reader may find space after we have gone.
  auto executor = co_await asio::this_coro::executor;
  ring.on_space([executor, weak = std::weak_ptr(held)] {
    asio::post(executor, [weak] {
      auto still = weak.lock();
      if (still && still->resume) still->resume();
    });
  });
  Attempts attempts(policy_, access_);
  while (receiver.received() < size) {
    HttpRequest request;
    prepare(request, source_.path + "/blobs/" + digest);
    request.from = receiver.received();
    receiver.begin();
    HttpResult result = co_await authorised(request, &receiver);
    if (receiver.abandoned()) co_return;
    if (!receiver.fault().empty())
      throw Error(fmt::format("blob {} of {}: {}", digest, source_.shown, receiver.fault()));
    int64_t brought = receiver.received() - request.from;
    if (brought >= (result.code == CURLE_OPERATION_TIMEDOUT ? kMoreThanATrickle : 1))
      attempts.progress();
    if (is_success(result) && receiver.received() < size) {
      throw Error(fmt::format("blob {}: expected {} bytes, {} sent {}", digest, size, source_.shown,
                              receiver.received()));
    }
    if (!is_success(result)) co_await attempts.next(result, source_, what);
  }
}

Task<> Repository::verify_login() {
  co_await find_scheme();
  HttpRequest request;
  prepare(request, "");
  static_cast<void>(co_await exchange(std::move(request), nullptr, "the registry's API"));
}

}  // namespace pcompose::engine
