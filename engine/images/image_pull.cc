// Pulling, from the side that records: what is wanted goes to the worker, what came into the
// database.
#include <algorithm>
#include <unistd.h>

#include "base/error.h"
#include "base/memory_file.h"
#include "engine/images.h"
#include "engine/images/config.h"
#include "engine/images/image_rows.h"
#include "engine/images/pull_request.h"
#include "engine/images/reference.h"
#include "engine/images/registries.h"
#include "engine/images/report.h"
#include "engine/images/store_lock.h"
#include "engine/images/transfer_setup.h"
#include "engine/images/worker.h"

namespace pcompose::engine {
namespace {

constexpr const char* kAnotherImage = "the report of pcompose-images is about another image";

Platform platform_of(const ImageWish& wish) {
  return wish.platform.empty() ? Platform::host() : Platform::parse(wish.platform);
}

}  // namespace

bool ImageStore::has(const ImageWish& wish) {
  auto image = find(wish.reference);
  if (!image) return false;
  return wish.platform.empty() || image->architecture.empty() ||
         image->architecture == Platform::parse(wish.platform).architecture;
}

ImageResult ImageStore::record(const ImageWish& wish, PulledImage&& image) {
  ImageResult result;
  result.index = image.index;
  result.outcome = static_cast<ImageResult::Outcome>(image.outcome);
  result.reference = image.reference;
  result.error = std::move(image.error);
  result.hint = std::move(image.hint);
  if (result.outcome == ImageResult::Outcome::failed) return result;
  DurableCommits durable(db_);  // a row must not be lost whose layer survived
  Transaction transaction(db_);
  if (image.outcome == PulledImage::Outcome::pulled) {
    std::string id = image.image.config_digest.substr(7);
    insert_image(db_, id, image.image);
    insert_tag(db_, image.reference, id, image.image.manifest);
  }
  std::string written = normalise_reference(wish.reference);
  SQLite::Statement forget(db_.get(), "DELETE FROM image_short_names WHERE written=?");
  forget.bind(1, written);
  forget.exec();
  if (written != image.reference) {
    SQLite::Statement name(db_.get(), "INSERT INTO image_short_names VALUES(?,?)");
    name.bind(1, written);
    name.bind(2, image.reference);
    name.exec();
  }
  SQLite::Statement pulled(db_.get(),
                           "INSERT OR REPLACE INTO image_pulls VALUES(?, strftime('%s','now'))");
  pulled.bind(1, image.reference);
  pulled.exec();
  transaction.commit();
  if (auto found = find(image.reference)) result.id = found->id;
  return result;
}

PullRequest ImageStore::request(const std::vector<ImageWish>& wishes) {
  Registries registries = Registries::read();
  Logins logins;
  PullRequest request;
  request.proxies = find_proxies();
  request.certificate_directories = certificate_directories();
  for (const ImageWish& wish : wishes) {
    PullImage image;
    image.written = wish.reference;
    image.candidates = registries.candidates(wish.reference);
    for (ImageCandidate& candidate : image.candidates) {
      for (ImageSource& source : candidate.sources)
        source.credentials = logins.find(source.shown + "/" + source.path);
    }
    image.platform = platform_of(wish);
    image.platform_given = !wish.platform.empty();
    if (has(wish)) image.known = manifest(wish.reference);
    request.images.push_back(std::move(image));
  }
  return request;
}

std::vector<ImageResult> ImageStore::pull(const std::vector<ImageWish>& wishes,
                                          PullListener& listener) {
  PullRequest wanted = request(wishes);
  StoreLock lock(state_, StoreLock::Kind::shared);
  std::vector<ImageResult> results(wishes.size());
  TransferReader reader(listener, [&](PulledImage&& image) {
    size_t index = image.index;
    if (index >= wishes.size()) throw Error(kAnotherImage);
    results[index] = record(wishes[index], std::move(image));
    listener.image(results[index]);
  });
  run_image_worker("pull", memory_file("request", write_pull_request(wanted)), roots_, reader);
  return results;
}

std::vector<ImageResult> ImageStore::digests(const std::vector<ImageWish>& wishes) {
  PullRequest wanted = request(wishes);
  wanted.digests_only = true;
  std::vector<ImageResult> results(wishes.size());
  PullListener nobody;
  TransferReader reader(nobody, [&](PulledImage&& image) {
    if (image.index >= wishes.size()) throw Error(kAnotherImage);
    results[image.index] = {image.index,         static_cast<ImageResult::Outcome>(image.outcome),
                            image.reference,     "",
                            image.error,         image.hint,
                            image.image.manifest};
  });
  run_image_worker("pull", memory_file("request", write_pull_request(wanted)), roots_, reader);
  return results;
}

void ImageStore::verify_login(const std::string& registry, const std::string& username,
                              const std::string& password) {
  PullRequest request;
  request.proxies = find_proxies();
  request.certificate_directories = certificate_directories();
  request.logins = {Registries::read().login(registry)};
  request.logins.front().credentials = {username, password, "", ""};
  PullListener nobody;
  std::string error = "pcompose-images gave no answer", hint;
  TransferReader reader(nobody, [&](PulledImage&& answer) {
    error = answer.outcome == PulledImage::Outcome::failed ? answer.error : "";
    hint = answer.hint;
  });
  run_image_worker("pull", memory_file("request", write_pull_request(request)), roots_, reader);
  if (!error.empty()) throw Error(error).hint(hint);
}

std::optional<WallTime> ImageStore::checked(const std::string& reference) {
  SQLite::Statement query(
      db_.get(),
      "SELECT checked FROM image_pulls WHERE reference=?1 OR reference="
      "(SELECT reference FROM image_short_names WHERE written=?1) ORDER BY checked DESC");
  query.bind(1, normalise_reference(reference));
  if (!query.executeStep()) return std::nullopt;
  return std::chrono::system_clock::from_time_t(query.getColumn(0).getInt64());
}

std::string ImageStore::manifest(const std::string& reference) {
  SQLite::Statement query(db_.get(),
                          "SELECT manifest FROM image_tags WHERE reference=?1 OR reference="
                          "(SELECT reference FROM image_short_names WHERE written=?1)");
  query.bind(1, normalise_reference(reference));
  return query.executeStep() ? query.getColumn(0).getString() : "";
}

std::vector<std::string> ImageStore::names(const std::string& id) {
  SQLite::Statement query(db_.get(),
                          "SELECT reference FROM image_tags WHERE image_id=? ORDER BY reference");
  query.bind(1, id);
  std::vector<std::string> out;
  while (query.executeStep()) out.push_back(query.getColumn(0).getString());
  return out;
}

std::optional<std::string> ImageStore::raw_config(const std::string& id) {
  if (!is_hex(id, 64)) return std::nullopt;
  std::string path = state_ + "/documents/" + id;
  if (::access(path.c_str(), R_OK) != 0) return std::nullopt;
  return read_file(path);
}

}  // namespace pcompose::engine
