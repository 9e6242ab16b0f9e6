#include "engine/images/registry/upload.h"

#include <charconv>

#include <fmt/format.h>

#include "base/sha256.h"
#include "engine/images/registry/failure.h"

namespace pcompose::engine {
namespace {

constexpr long kNotFound = 404;
constexpr long kNoContent = 204;
constexpr long kCreated = 201;
constexpr int kAttempts = 5;  // in a row that bring nothing
constexpr auto kWait = std::chrono::milliseconds(200);

bool is_success(const HttpResult& result) {
  return result.code == 0 && result.head.status >= 200 && result.head.status < 300;
}

// A digest has no characters but its colon that an address must not have.
std::string escaped(std::string text) {
  if (size_t colon = text.find(':'); colon != std::string::npos) text.replace(colon, 1, "%3A");
  return text;
}

// "0-1023" -> 1024, as the answer to a chunk and to a question has it; -1 where it says nothing.
int64_t received(const HttpHead& head) {
  std::string text = head.header("range");
  size_t dash = text.find('-');
  if (dash == std::string::npos) return -1;
  int64_t last = -1;
  auto [stop, error] = std::from_chars(text.data() + dash + 1, text.data() + text.size(), last);
  return error == std::errc() ? last + 1 : -1;
}

std::string blob_path(const std::string& digest) { return "blobs/" + digest; }

}  // namespace

Task<std::unique_ptr<Upload>> Upload::begin(Repository& repository, Mount mount) {
  std::string path = "blobs/uploads/";
  if (!mount.digest.empty())
    path += fmt::format("?mount={}&from={}", escaped(mount.digest), mount.repository);
  HttpRequest request = co_await repository.request(Method::post, path);
  // Where the other repository is out of reach, some say so instead of beginning an upload.
  HttpResult result = co_await repository.exchange(std::move(request), nullptr,
                                                   repository.source().path, kNotFound);
  if (result.head.status == kNotFound && !mount.digest.empty())
    co_return co_await begin(repository, {});
  if (result.head.status == kCreated && !mount.digest.empty()) co_return nullptr;
  if (!is_success(result))
    throw registry_error(result, repository.source(), repository.source().path);
  auto upload = std::make_unique<Upload>(repository);
  upload->take(result);
  if (upload->location_.empty())
    throw Error(repository.source().shown + " does not say where to send a blob");
  co_return upload;
}

void Upload::take(const HttpResult& result) {
  if (std::string next = result.head.header("location"); !next.empty()) location_ = next;
}

// After a failure: where the registry stands, within [begin, end]. False where it cannot be told.
Task<bool> Upload::find_place(int64_t begin, int64_t end) {
  HttpResult state =
      co_await repository_.attempt(co_await repository_.request_at(Method::get, location_));
  if (state.code != 0 || state.head.status != kNoContent) co_return false;
  int64_t place = received(state.head);
  // "0-0" is what some say for nothing, too.
  if (place == 1 && begin == 0) place = 0;
  if (place < begin || place > end) co_return false;
  take(state);
  sent_ = place;
  co_return true;
}

Task<> Upload::send(std::string_view chunk) {
  int64_t begin = sent_, end = begin + static_cast<int64_t>(chunk.size());
  for (int failed = 0; sent_ < end;) {
    HttpRequest request = co_await repository_.request_at(Method::patch, location_);
    request.body = chunk.substr(static_cast<size_t>(sent_ - begin));
    request.headers = {"Content-Type: application/octet-stream",
                       fmt::format("Content-Range: {}-{}", sent_, end - 1)};
    HttpResult result = co_await repository_.attempt(std::move(request));
    if (is_success(result)) {
      take(result);
      sent_ = end;
      co_return;
    }
    bool lost = result.code == 0 && (result.head.status == kNotFound || result.head.status == 416);
    if (!lost && (!is_transient(result) || ++failed >= kAttempts))
      throw registry_error(result, repository_.source(), repository_.source().path);
    co_await sleep_for(kWait * failed);
    if (lost || !co_await find_place(begin, end))
      throw UploadLost(repository_.source().shown + " has lost a part of an upload");
  }
}

Task<> Upload::finish(std::string digest) {
  const char* mark = location_.contains('?') ? "&digest=" : "?digest=";
  HttpRequest request =
      co_await repository_.request_at(Method::put, location_ + mark + escaped(digest));
  request.headers = {"Content-Type: application/octet-stream"};
  HttpResult result = co_await repository_.attempt(std::move(request));
  if (is_success(result)) co_return;
  // The answer may have been lost, not the blob.
  if (is_transient(result) && co_await has_blob(repository_, digest)) co_return;
  if (is_transient(result) || result.head.status == kNotFound)
    throw UploadLost(repository_.source().shown + " has lost an upload");
  throw registry_error(result, repository_.source(), repository_.source().path);
}

Task<bool> has_blob(Repository& repository, std::string digest) {
  HttpRequest request = co_await repository.request(Method::head, blob_path(digest));
  HttpResult result = co_await repository.exchange(std::move(request), nullptr,
                                                   repository.source().path, kNotFound);
  co_return result.head.status != kNotFound;
}

Task<> put_document(Repository& repository, std::string digest, std::string text) {
  if (co_await has_blob(repository, digest)) co_return;
  for (int i = 1;; ++i) {
    try {
      auto upload = co_await Upload::begin(repository, {});
      co_await upload->send(text);
      co_await upload->finish(digest);
      co_return;
    } catch (const UploadLost&) {
      if (i == kAttempts) throw;
    }
    co_await sleep_for(kWait * i);
  }
}

Task<std::string> put_manifest(Repository& repository, std::string reference,
                               std::string media_type, std::string text) {
  HttpRequest request = co_await repository.request(Method::put, "manifests/" + reference);
  request.headers = {"Content-Type: " + media_type};
  request.body = text;
  std::string what = repository.source().path + (reference.contains(':') ? "@" : ":") + reference;
  co_await repository.exchange(std::move(request), nullptr, what);
  co_return "sha256:" + sha256_hex(text);
}

}  // namespace pcompose::engine
