// A repository at one registry, as one account sees it: distribution's HTTP API V2.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/loop.h"
#include "engine/images/byte_ring.h"
#include "engine/images/pull_request.h"
#include "engine/images/registry/transfers.h"

namespace pcompose::engine {

// How often, and after how long, what failed in passing is tried again.
struct RetryPolicy {
  int attempts = 6;  // in a row that bring nothing
  std::chrono::milliseconds first_wait{200};
  std::chrono::milliseconds longest_wait{10'000};
  std::chrono::seconds longest_retry_after{120};  // more is an error at once
};

struct RegistryDocument {
  std::string media_type;
  std::string digest;  // "sha256:…", computed here
  std::string text;
};

enum class Access { pull, push };

// Authenticates when it is asked to, tries again what may go better, follows redirects. All on one
// loop. `transfers` and `files` outlive it. Everything throws Error with a hint.
class Repository {
 public:
  Repository(Transfers& transfers, ImageSource source, TlsFiles files, Access access = Access::pull,
             RetryPolicy policy = {});

  // By tag or digest: a manifest or an index. Where `reference` is a digest, it is verified.
  Task<RegistryDocument> manifest(const std::string& reference);
  // The digest that a tag has now, by HEAD; "" where the registry does not say.
  Task<std::string> manifest_digest(const std::string& reference);
  // A small blob, verified.
  Task<std::string> document(const std::string& digest, int64_t size);
  // A blob into the ring, in order, without gaps, `size` bytes; a broken connection is taken up
  // where it broke. Not verified: whoever reads the ring does. Returns early where the ring is
  // abandoned. `on_bytes` is called with what has come.
  Task<> blob(const std::string& digest, int64_t size, ByteRing& ring,
              std::function<void(int64_t)> on_bytes);
  // Whether these credentials open this registry: GET /v2/. Throws Error where they do not.
  Task<> verify_login();

  [[nodiscard]] const ImageSource& source() const { return source_; }
  // Another repository of the registry, for which a token is wanted too. Before the first request.
  void also_reads(const std::string& path) { others_.insert(path); }

  // For what pushes (upload.h). A request for "manifests/1" of the repository, or for an address
  // that an answer gave.
  Task<HttpRequest> request(Method method, std::string path);
  Task<HttpRequest> request_at(Method method, std::string location);
  // Until it succeeds, or is answered with the status `also`.
  Task<HttpResult> exchange(HttpRequest request, Receiver* receiver, std::string what,
                            long also = 0);
  // Once, but for a token.
  Task<HttpResult> attempt(HttpRequest request);

 private:
  class Attempts;

  Task<HttpResult> authorised(HttpRequest& request, Receiver* receiver);
  Task<> find_scheme();
  Task<> authorise(const HttpHead& refusal);
  Task<> answer(const HttpHead& refusal);
  Task<std::string> fetch_token(const HttpRequest& request);
  [[nodiscard]] std::vector<std::string> scopes() const;
  void prepare(HttpRequest& request, const std::string& path) const;
  Task<HttpResult> ping(const std::string& scheme);

  Transfers& transfers_;
  ImageSource source_;
  TlsFiles files_;
  Access access_;
  RetryPolicy policy_;
  std::set<std::string> others_;        // paths
  std::string scheme_;                  // "https" or "http"; "" where it is to be found out
  std::string authorization_;           // what the last challenge was answered with
  std::shared_ptr<Event> authorising_;  // set while a token is on its way
};

}  // namespace pcompose::engine
